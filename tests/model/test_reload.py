"""The same ids in transformers, and whose fault it is where they are not."""

import json

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from tokengraft.model.reload import same_ids_here
from tokengraft.tokenizer import extend_tokenizer

TEXTS = ["posedge clock, it's 12345 words", "always begin end"]


@pytest.fixture
def extended_of(tmp_path):
    """From a model type to the extension of a tokenizer that splits by GPT-2's pattern, beside such a model."""

    def extended(model_type):
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        words = [("e", "n"), ("en", "d"), ("o", "c"), ("oc", "k")]
        vocabulary = {entry: place for place, entry in enumerate([*alphabet, *map("".join, words)])}
        tokenizer = Tokenizer(models.BPE(vocabulary, words))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.save(str(tmp_path / "tokenizer.json"))
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
        return extend_tokenizer(tmp_path, TEXTS * 9, 20, processes=1)

    return extended


def test_ids_stay_beside_a_model_whose_class_reads_the_file(extended_of):
    result = same_ids_here(extended_of("llama"), TEXTS)
    assert result.passed
    assert not result.evidence


def test_a_base_that_transformers_reads_otherwise_is_named(extended_of):
    """Qwen-2's class builds Qwen-2's split pattern, in which digits stand alone."""
    result = same_ids_here(extended_of("qwen2"), TEXTS)
    assert not result.passed
    assert result.evidence[0].startswith("the base's own folder, in which AutoTokenizer (Qwen2Tokenizer) encodes")
