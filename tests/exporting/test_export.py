"""Every format: written, loaded by a fresh process, and refused where it cannot hold the model."""

import json
import shutil
import zipfile

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import tokengraft as tg
from tokengraft.config import RunConfig
from tokengraft.errors import ConfigError, ExportError, RunFolderError
from tokengraft.exporting import Written, exporters
from tokengraft.exporting.patch import NAME, apply_patch
from tokengraft.exporting.tensors import fingerprint, weights


@pytest.mark.parametrize("form", [entry.name for entry in exporters if not entry.needs])
def test_every_format_loads_in_a_fresh_process(run, exported, form):
    """`export` itself compares ids, logits and text, and raises; the card says what it found."""
    out = exported(form)
    card = (out / "README.md").read_text()
    assert "gave the same ids on 1000 texts" in card
    assert "bits per byte, domain" in card
    assert str(run[1].parent) not in card, "a folder of this machine is nobody else's business"
    about = yaml.safe_load(card.split("---")[1])
    new = json.loads((run[0] / "metrics.json").read_text())["tokens"]["added"]
    assert about["tokengraft"]["tokens_added"] == new
    assert about["model-index"][0]["results"][0]["metrics"][0]["type"] == "bits_per_byte"
    recipe = yaml.safe_load(card.split("```yaml\n")[1].split("```")[0])
    assert recipe["distill"]["steps"] == 12
    RunConfig.from_dict({**recipe, "model": "a", "corpus": "b", "out": "c"})


def test_a_patch_gives_the_same_bytes(run, exported, tmp_path):
    patch = exported("patch")
    result = apply_patch(patch, str(run[1]), tmp_path / "result")
    model = run[0] / "model"
    for path in sorted(model.iterdir()):
        assert (result / path.name).read_bytes() == path.read_bytes(), path.name
    whole = sum(path.stat().st_size for path in model.iterdir())
    assert (patch / NAME).stat().st_size < whole / 2


@pytest.mark.usefixtures("tried_here")
def test_shards(run, tmp_path):
    out = tg.export(run[0], tmp_path / "hf", "hf", max_shard_size="40KB")
    assert len(list(out.glob("*.safetensors"))) > 1
    assert fingerprint(weights(out)) == fingerprint(weights(run[0] / "model"))


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_an_adapter_is_small_and_merges_exactly(run, exported):
    from peft import PeftModel

    out = exported("adapter")
    rows = json.loads((run[0] / "metrics.json").read_text())["tokens"]["added"]
    stored = load_file(out / "adapter_model.safetensors")
    assert {len(value) for value in stored.values()} == {rows}
    whole = AutoModelForCausalLM.from_pretrained(run[0] / "model")
    base = AutoModelForCausalLM.from_pretrained(run[1])
    base.resize_token_embeddings(len(whole.get_input_embeddings().weight), mean_resizing=False)
    merged = PeftModel.from_pretrained(base, out).merge_and_unload()
    for name in ("get_input_embeddings", "get_output_embeddings"):
        assert torch.equal(getattr(merged, name)().weight, getattr(whole, name)().weight)
    assert len(AutoTokenizer.from_pretrained(out)) == len(AutoTokenizer.from_pretrained(run[1])) + rows


def test_a_patch_refuses_another_base(run, exported, tmp_path):
    patch = exported("patch")
    other = shutil.copytree(run[1], tmp_path / "other")
    values = load_file(other / "model.safetensors")
    name = max(values, key=lambda key: values[key].numel())
    values[name] = values[name].clone()
    values[name].view(-1)[0] += 1
    save_file(values, other / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ExportError, match="not those that the patch was made for"):
        apply_patch(patch, str(other), tmp_path / "result")
    assert not (tmp_path / "result").exists()


def test_a_patch_refuses_another_tokenizer(run, exported, tmp_path):
    patch = exported("patch")
    other = shutil.copytree(run[1], tmp_path / "other")
    document = json.loads((other / "tokenizer.json").read_text())
    document["model"]["vocab"] = dict(reversed(document["model"]["vocab"].items()))
    (other / "tokenizer.json").write_text(json.dumps(document))
    with pytest.raises(ExportError, match=r"tokenizer\.json other than"):
        apply_patch(patch, str(other), tmp_path / "result")
    assert not (tmp_path / "result").exists()


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_what_is_no_patch_is_said(run, tmp_path, content):
    path = tmp_path / NAME
    if content is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("patch.json", "{}")
    else:
        path.write_bytes(content)
    with pytest.raises(ExportError, match="no patch"):
        apply_patch(path, str(run[1]), tmp_path / "result")


def test_a_member_that_would_leave_the_folder_is_not_written(run, exported, tmp_path):
    patch = shutil.copytree(exported("patch"), tmp_path / "patch") / NAME
    with zipfile.ZipFile(patch, "a") as archive:
        archive.writestr("files/../../outside.txt", "x")
    apply_patch(patch, str(run[1]), tmp_path / "deep" / "result")
    assert not (tmp_path / "outside.txt").exists()
    assert not (tmp_path / "deep" / "outside.txt").exists()


@pytest.mark.usefixtures("tried_here")
def test_a_body_that_moved_is_no_adapter(run, tmp_path):
    changed = shutil.copytree(run[0], tmp_path / "run")
    values = load_file(changed / "model" / "model.safetensors")
    name = next(key for key in values if "norm" in key or "ln" in key)
    values[name] = values[name] + 1
    save_file(values, changed / "model" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ExportError, match="1 changed weights beside the new rows and what LoRA learned"):
        tg.export(changed, tmp_path / "adapter", "adapter")
    assert not (tmp_path / "adapter").exists()
    tg.export(changed, tmp_path / "patch", "patch")


def test_what_does_not_load_as_the_run_leaves_nothing(run, tmp_path, monkeypatch):
    """A format that writes other weights is caught by the fresh process."""

    whole = exporters.get("hf")

    def broken(finished, place, options):
        loading = whole(finished, place, options).loading
        return Written(loading + "model.get_input_embeddings().weight.data.mul_(1.5)\n")

    from tokengraft.exporting import write

    monkeypatch.setattr(write.exporters, "get", lambda _: broken)
    with pytest.raises(ExportError, match="logits that differ"):
        tg.export(run[0], tmp_path / "out", "hf")
    assert not (tmp_path / "out").exists()


def test_bad_calls(run, tmp_path):
    with pytest.raises(ConfigError, match="one of adapter, gguf, hf, patch"):
        tg.export(run[0], tmp_path / "out", "onnx")
    with pytest.raises(ConfigError, match="max_shard_size"):
        tg.export(run[0], tmp_path / "out", "hf", max_shard="1GB")
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="holds something"):
        tg.export(run[0], taken)
    assert (taken / "mine.txt").read_text() == "mine"
    with pytest.raises(RunFolderError, match=r"no run\.json"):
        tg.export(tmp_path, tmp_path / "out")
