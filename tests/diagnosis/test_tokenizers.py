"""Faults of tokenizers, templates and settings: each is made by plain code and found by its code."""

import json

import pytest
from tokenizers import AddedToken

import tokengraft as tg
from tokengraft.diagnosis import Severity

from .conftest import CHAT, codes, edit, found, make_byte_level_bpe, make_model, make_tokenizer

ERROR, WARNING, INFO = Severity


def document(folder):
    return json.loads((folder / "tokenizer.json").read_text())


def write(folder, value):
    (folder / "tokenizer.json").write_text(json.dumps(value))


def test_special_tokens_that_split(folder, model, tokenizer):
    assert not found("special-token-splits", folder)
    edit(folder / "tokenizer_config.json", additional_special_tokens=["<|user|>"])
    [finding] = found("special-token-splits", folder)
    assert finding.severity is ERROR
    assert len(finding.evidence["tokens"]["<|user|>"]) > 1
    assert codes(found("special-token-splits", model, tokenizer, training={"new_tokens": ["<|tool|>"]}))


def test_tokens_of_the_template_that_are_none(model, tokenizer):
    tokenizer.chat_template = CHAT.replace("{{ END }}", "<|end|>")
    [finding] = found("template-token-missing", model, tokenizer)
    assert (finding.severity, list(finding.evidence["tokens"])) == (WARNING, ["<|user|>"])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|user|>"]})
    assert not found("template-token-missing", model, tokenizer)


def test_brackets_and_headings_of_a_template_are_text(model, tokenizer):
    """Llama-2's [INST] and Alpaca's headings are no tokens, and the models are fine."""
    tokenizer.chat_template = (
        "{% for m in messages %}[INST] ### {{ m['role'] }}: {{ m['content'] }} [/INST]{% endfor %}"
    )
    assert not found("template-token-missing", model, tokenizer)
    assert not found("stop-id-never-emitted", model, tokenizer)


@pytest.mark.parametrize("stops", [5000, [5000, 6000]])
def test_generation_stops_on_an_id_that_does_not_exist(model, tokenizer, stops):
    assert not found("stop-id-never-emitted", model, tokenizer)
    model.generation_config.eos_token_id = stops
    [finding] = found("stop-id-never-emitted", model, tokenizer)
    assert (finding.severity, finding.fixable) == (ERROR, True)
    model.generation_config.eos_token_id = [5000, tokenizer.eos_token_id]
    assert not found("stop-id-never-emitted", model, tokenizer)


def test_generation_stops_on_another_id_than_the_template_ends_with(model, tokenizer):
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|user|>", "<|eot|>"]})
    tokenizer.chat_template = CHAT.replace("{{ END }}", "<|eot|>")
    [finding] = found("stop-id-never-emitted", model, tokenizer)
    assert (finding.severity, finding.evidence["turn_end"]) == (WARNING, len(tokenizer) - 1)
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, len(tokenizer) - 1]
    assert not found("stop-id-never-emitted", model, tokenizer)


def test_a_model_of_endless_text_needs_no_stop(model, tokenizer):
    model.generation_config.eos_token_id = model.config.eos_token_id = None
    assert [finding.severity for finding in found("stop-id-never-emitted", model, tokenizer)] == [INFO]


def test_ids_of_roles_that_disagree(folder, tokenizer):
    assert not found("special-ids-disagree", folder)
    edit(folder / "generation_config.json", eos_token_id=[tokenizer.eos_token_id, 9])  # one of several
    assert not found("special-ids-disagree", folder)
    edit(folder / "generation_config.json", eos_token_id=9)
    [finding] = found("special-ids-disagree", folder)
    assert finding.evidence["roles"]["eos"] == {"tokenizer": 1, "config": 1, "generation": 9}


def test_ids_that_move_at_a_reload(folder):
    """A special token outside the model's vocabulary, written with an id that leaves a gap."""
    value = document(folder)
    size = len(value["model"]["vocab"])
    entry = {**value["added_tokens"][0], "content": "<|user|>"}
    write(folder, {**value, "added_tokens": [*value["added_tokens"], {**entry, "id": size}]})
    assert not found("special-ids-move", folder)
    write(folder, {**value, "added_tokens": [*value["added_tokens"], {**entry, "id": size + 7}]})
    [finding] = found("special-ids-move", folder)
    assert (finding.severity, finding.evidence["moved"]) == (ERROR, {"<|user|>": [size + 7, size]})


def test_a_tokenizer_that_contradicts_itself(folder):
    assert not found("tokenizer-inconsistent", folder)
    value = document(folder)
    value["added_tokens"][1]["id"] = value["added_tokens"][0]["id"]
    write(folder, value)
    assert codes(found("tokenizer-inconsistent", folder), ERROR)


def test_a_class_that_swaps_the_pre_tokenizer(folder, english):
    """transformers builds its own class from the model's type and drops what the file says."""
    from tokenizers import pre_tokenizers, trainers

    backend = make_byte_level_bpe(english)
    assert not found("reload-changes-tokenizer", folder)
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(english, trainer)  # words joined over spaces
    backend.save(str(folder / "tokenizer.json"))
    assert not found("reload-changes-tokenizer", folder)
    edit(folder / "tokenizer_config.json", tokenizer_class="Qwen2Tokenizer")
    edit(folder / "config.json", model_type="qwen2")
    [finding] = found("reload-changes-tokenizer", folder)
    assert finding.severity is ERROR
    assert finding.evidence["tokens_file"] != finding.evidence["tokens_loaded"]


def test_a_class_that_only_transformers_5_has(folder):
    assert not found("tokenizer-class-transformers-4", folder)
    edit(folder / "tokenizer_config.json", tokenizer_class="TokenizersBackend", extra_special_tokens=["<|end|>"])
    [finding] = found("tokenizer-class-transformers-4", folder)
    assert (finding.severity, len(finding.evidence["reasons"])) == (WARNING, 2)


def test_added_tokens_inside_words(model, tokenizer_texts):
    tokenizer = make_tokenizer([*tokenizer_texts, "kitten kittens mittens"] * 9, size=480)
    tokenizer.add_tokens([AddedToken("hid", single_word=True)])
    assert not found("added-tokens-inside-words", model, tokenizer)
    tokenizer.add_tokens(["ten"])
    [finding] = found("added-tokens-inside-words", model, tokenizer)
    assert (finding.severity, finding.evidence["tokens"]) == (WARNING, ["ten"])
    assert any("ten" in word and after > before for word, (before, after) in finding.evidence["words"].items())


def test_control_tokens_are_not_words(model, tokenizer):
    tokenizer.add_tokens(["<tool>", "ü", "    "])
    assert not found("added-tokens-inside-words", model, tokenizer)


def test_tokens_that_no_text_becomes(folder, tmp_path, tokenizer_texts):
    """Entries put into the vocabulary without merges, as with another tokenizer's words."""
    assert not found("tokens-unreachable", folder)
    value = document(folder)
    size = len(value["model"]["vocab"])
    value["model"]["vocab"] |= {"zebra": size, "Ġzebra": size + 1}
    make_tokenizer(tokenizer_texts).save_pretrained(tmp_path / "new")
    write(tmp_path / "new", value)
    [finding] = found("tokens-unreachable", folder, tmp_path / "new", base=folder)
    assert (finding.severity, finding.evidence["ids"]) == (ERROR, [size, size + 1])
    assert [f.severity for f in found("tokens-unreachable", folder, tmp_path / "new")] == [INFO]


def test_an_extension_by_continued_merges_is_reachable(tmp_path, folder, code):
    (tmp_path / "corpus.txt").write_text("\n\n".join(code))
    extended = tg.extend_tokenizer(folder, str(tmp_path / "corpus.txt"), size=30)
    extended.save(tmp_path / "extended")
    assert not found("tokens-unreachable", folder, tmp_path / "extended", base=folder)


def test_new_tokens_are_those_that_the_base_lacks(tokenizer_texts, folder, tmp_path):
    from tokengraft.diagnosis import open_case

    larger = make_tokenizer(tokenizer_texts)
    larger.add_special_tokens({"additional_special_tokens": ["<|user|>"]})
    larger.save_pretrained(tmp_path / "larger")
    assert open_case(make_model("llama-untied"), tmp_path / "larger", base=folder).new_ids() == [300]
