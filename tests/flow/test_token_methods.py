"""The whole flow with each method of choosing tokens."""

import json

import pytest

import tokengraft as tg
from tokengraft.errors import CheckError, ConfigError
from tokengraft.tokenizer.checks import PROMISES

CHOICES = {
    "words": {"words": ["hidden", "attention", "torch"], "guard_share": 0.5},
    "donor": {"min_exposure": 2},
    "superwords": {"scorer": "count", "filters": ["longer-than:30"]},
    "frequency": {"allow": list(PROMISES)},
}


@pytest.fixture
def short(settings, tmp_path):
    return {
        **settings, "out": str(tmp_path / "run"), "distill": {"steps": 2, "tokens_per_step": 200, "max_length": 32},
        "evaluation": {"max_bytes": 1500, "window_bytes": 256, "prompts": 1, "prompt_tokens": 4, "samples": 1},
    }  # fmt: skip


@pytest.mark.parametrize("method", sorted(CHOICES))
def test_the_flow_goes_through(short, method, tmp_path, code):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    donor = Tokenizer(models.BPE())
    donor.pre_tokenizer, donor.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    donor.train_from_iterator(code, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet))
    donor.save(str(tmp_path / "donor.json"))
    run = tg.expand(
        {**short, "tokens": {"size": 12, "method": method, "donor": str(tmp_path / "donor.json"), **CHOICES[method]}}
    )
    found = run.metrics["tokens"]
    assert found["method"] == method
    assert 0 < found["added"] <= 12
    assert found["fertility"]["domain"]["tokens_extended"] < found["fertility"]["domain"]["tokens_base"]
    names = [check["name"] for check in run.metrics["checks"]]
    assert names == [*PROMISES, "same ids in transformers"]
    rows = [json.loads(line) for line in (run.path / "candidates.jsonl").read_text().splitlines()]
    assert sum("rejected" not in row for row in rows) == found["added"]


def test_broken_promises_stop_the_run_before_anything_is_written(short):
    with pytest.raises(CheckError, match="--allow"):
        tg.expand({**short, "tokens": {"size": 12, "method": "frequency"}})
    with pytest.raises(ConfigError, match="without guard text"):
        tg.expand({**short, "general": None, "tokens": {"size": 12, "guard_share": 0.5}})
    with pytest.raises(ConfigError, match="without a donor"):
        tg.expand({**short, "tokens": {"size": 12, "method": "donor"}})
