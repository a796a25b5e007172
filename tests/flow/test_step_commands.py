"""`graft`, `distill` and `interpret` on folders, as a user would call them one after the other."""

import json

import pytest
import torch

import tokengraft as tg
from tokengraft.cli import main
from tokengraft.config import CorpusConfig


@pytest.fixture(scope="module")
def extension_folder(tmp_path_factory, model_folder, code):
    folder = tmp_path_factory.mktemp("extension") / "tokenizer"
    tg.extend_tokenizer(str(model_folder), code, size=20).save(folder)
    return folder


def done(*arguments):
    with pytest.raises(SystemExit) as end:
        main([*map(str, arguments)])
    assert end.value.code in {0, None}


def run(capsys, *arguments):
    done(*arguments, "--json")
    return json.loads(capsys.readouterr().out)


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as end:
        main([*map(str, arguments)])
    assert end.value.code == 1
    return capsys.readouterr().err


def test_graft_distil_and_interpret(model_folder, extension_folder, corpus_file, general_file, tmp_path, capsys):
    grafted, trained = tmp_path / "grafted", tmp_path / "trained"
    facts = run(capsys, "graft", model_folder, extension_folder, "--out", grafted, "--inputs", "last-subtoken")
    assert (facts["added"], facts["inputs"]) == (20, "last-subtoken")

    facts = run(
        capsys, "distill", grafted, model_folder, "--corpus", corpus_file, "--replay", general_file, "--out", trained,
        "--steps", 6, "--objective", "kl + 0.5*hidden-mse@1", "--set", "distill.tokens_per_step=400",
        "--set", "distill.max_length=64",
    )  # fmt: skip
    assert facts["steps"] == 6
    assert {"kl", "hidden-mse@1", "cross_entropy"} == set(facts["last"])
    assert not list(tmp_path.glob(".*checkpoint*")), "the checkpoint is gone when the folder is there"

    old, new, last = (model_weights(folder) for folder in (model_folder, trained, grafted))
    size = tokenizer_size(model_folder)
    assert torch.equal(old[:size], new[:size])
    assert not torch.equal(last[size : size + 20], new[size : size + 20])

    plots = tmp_path / "plots"
    token = extension_token(extension_folder, model_folder)
    found = run(
        capsys, "interpret", trained, model_folder, "--before", grafted, "--corpus", corpus_file, "--token", token,
        "--out", plots,
    )  # fmt: skip
    assert set(found["cosines"]) == {"inputs before", "inputs after"}
    assert found["cosines"]["inputs before"]["last"] == pytest.approx(1.0, abs=1e-3), "they began as their last pieces"
    assert found["cosines"]["inputs after"]["last"] < 1
    assert found["substitution"]["means"]["occurrences"] > 0
    assert len(found["tokens"]) == 20
    assert [layer["layer"] for layer in found["lens"]] == [1, 2]
    assert {path.name for path in plots.iterdir()} == {"cosines.png", "spectrum.png", "interpret.json"}


def model_weights(folder):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder).get_input_embeddings().weight.detach()


def tokenizer_size(folder):
    from tokengraft.tokenizer import TokenizerFile

    return TokenizerFile.load(str(folder)).size


def extension_token(folder, base):
    return tg.ExtendedTokenizer.load(folder, str(base)).new_tokens[0].text


def test_tables_for_people(model_folder, extension_folder, tmp_path, capsys):
    done("graft", model_folder, extension_folder, "--out", tmp_path / "grafted")
    done("interpret", tmp_path / "grafted", model_folder)
    output = capsys.readouterr().out
    for word in ("centred cosine", "effective rank", "nearest old tokens", "exponential"):
        assert word in output


def test_refusals(model_folder, extension_folder, corpus_file, tmp_path, capsys):
    place = tmp_path / "out"
    graft = ["graft", model_folder, extension_folder, "--out", place]
    assert "without donor" in refused(capsys, *graft, "--inputs", "omp")
    assert "without corpus" in refused(capsys, *graft, "--inputs", "focus")
    assert "did you mean" in refused(capsys, *graft, "--head", "means")
    assert not place.exists()
    place.mkdir()
    (place / "mine").write_text("x")
    assert "is there already" in refused(capsys, *graft)
    assert (place / "mine").read_text() == "x"
    distill = ["distill", model_folder, model_folder, "--corpus", corpus_file, "--out", tmp_path / "other"]
    assert "tokengraft.json" in refused(capsys, *distill)
    assert "no objective" not in refused(capsys, *distill, "--objective", "kx")


def test_a_stopped_distillation_goes_on_to_the_same_rows(
    model_folder, extension_folder, corpus_file, tmp_path, monkeypatch
):
    from tokengraft.config import DistillConfig, InitConfig
    from tokengraft.stages import folders

    settings = DistillConfig(steps=6, tokens_per_step=400, max_length=64, checkpoint_every=2)
    corpus = CorpusConfig(str(corpus_file))
    folders.graft_folder(str(model_folder), str(extension_folder), tmp_path / "grafted", InitConfig())
    arguments = str(tmp_path / "grafted"), str(model_folder)
    folders.distill_folder(*arguments, tmp_path / "whole", corpus, settings)
    real = folders.distill

    def stops(*positional, journal, **keywords):
        def log(_, **values):
            if values["step"] == 5:
                raise KeyboardInterrupt

        return real(*positional, journal=type(journal)(journal.checkpoint, log), **keywords)

    monkeypatch.setattr(folders, "distill", stops)
    with pytest.raises(KeyboardInterrupt):
        folders.distill_folder(*arguments, tmp_path / "halves", corpus, settings)
    monkeypatch.setattr(folders, "distill", real)
    assert not (tmp_path / "halves").exists()
    folders.distill_folder(*arguments, tmp_path / "halves", corpus, settings)
    assert torch.equal(model_weights(tmp_path / "whole"), model_weights(tmp_path / "halves"))
