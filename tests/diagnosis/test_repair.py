"""`--fix`: what it puts right, on a copy, and that nothing else is touched."""

import json

import pytest

import tokengraft as tg
from tokengraft.diagnosis import checks, examine, open_case, repair
from tokengraft.errors import ModelError, RunFolderError

from .conftest import CHAT, align, codes, edit, make_model, make_tokenizer, save


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def vocab_size(folder):
    edit(folder / "config.json", vocab_size=7)


def ids_disagree(folder):
    edit(folder / "generation_config.json", pad_token_id=9, eos_token_id=[1, 9])
    edit(folder / "config.json", bos_token_id=5)


def stops_nowhere(folder):
    edit(folder / "generation_config.json", eos_token_id=9999)


def ends_otherwise(folder):
    edit(folder / "tokenizer_config.json", chat_template=CHAT.replace("{{ END }}", "<|pad|>"))


def class_of_five(folder):
    edit(folder / "tokenizer_config.json", tokenizer_class="TokenizersBackend", extra_special_tokens=["<|end|>"])


def right_side(folder):
    edit(folder / "tokenizer_config.json", padding_side="right")


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("vocab-size-mismatch", vocab_size), ("special-ids-disagree", ids_disagree),
        ("stop-id-never-emitted", stops_nowhere), ("stop-id-never-emitted", ends_otherwise),
        ("tokenizer-class-transformers-4", class_of_five), ("right-padding-generation", right_side),
    ],
)  # fmt: skip
def test_the_copy_no_longer_has_the_fault(folder, tmp_path, name, spoil):
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    spoil(folder)
    before = contents(folder)
    case = open_case(folder)
    findings = examine(case, [name]).findings
    assert [finding.fixable for finding in findings] == [True]
    done = repair(case, findings, tmp_path / "copy")
    assert [line.partition(":")[0] for line in done] == [name]
    assert not tg.doctor(tmp_path / "copy", only=[name])
    assert contents(folder) == before
    assert contents(tmp_path / "copy").keys() == before.keys()


def test_phantom_rows_are_suppressed(tmp_path, tokenizer):
    """`generate` no longer chooses them; the rows themselves stay."""
    import torch
    from transformers import AutoModelForCausalLM

    model = align(make_model("gptj-bias", rows=len(tokenizer) + 20), tokenizer)
    model.lm_head.bias.data[-1] = 1e4
    folder = save(tmp_path / "model", model, tokenizer)
    case = open_case(folder)
    repair(case, examine(case, ["phantom-rows-mass"]).findings, tmp_path / "copy")
    text = torch.tensor([[5, 6, 7]])
    for place, chosen in ((folder, True), (tmp_path / "copy", False)):
        ids = AutoModelForCausalLM.from_pretrained(place).generate(text, max_new_tokens=2, do_sample=False)
        assert bool((ids >= len(tokenizer)).any()) == chosen
    [left] = tg.doctor(tmp_path / "copy", only=["phantom-rows-mass"])
    assert (left.severity, left.fixable, left.evidence["suppressed"]) == ("warning", False, 20)  # still in the loss


def test_a_tokenizer_from_elsewhere_comes_along(tmp_path, folder, tokenizer_texts):
    other = make_tokenizer(tokenizer_texts)
    other.padding_side = "right"
    other.save_pretrained(tmp_path / "other")
    case = open_case(folder, tmp_path / "other")
    assert repair(case, examine(case).findings, tmp_path / "copy")
    assert json.loads((tmp_path / "copy" / "tokenizer_config.json").read_text())["padding_side"] == "left"
    assert not codes(tg.doctor(tmp_path / "copy"))


def test_places_that_cannot_be_are_refused(tmp_path, folder, model):
    case = open_case(folder)
    with pytest.raises(RunFolderError, match="is there already"):
        repair(case, [], folder)
    with pytest.raises(ModelError, match="in memory"):
        repair(open_case(model), [], tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_only_safe_repairs_are_offered():
    """None of them changes a weight."""
    assert {check.name for check in checks if check.function.repair} == {
        "phantom-rows-mass", "reload-changes-tokenizer", "right-padding-generation", "special-ids-disagree",
        "stop-id-never-emitted", "tokenizer-class-transformers-4", "vocab-size-mismatch",
    }  # fmt: skip
