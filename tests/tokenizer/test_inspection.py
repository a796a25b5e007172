"""What inspect says is what is there."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from tokengraft.config import CorpusConfig
from tokengraft.errors import ConfigError, ModelError, TokenizerError
from tokengraft.tokenizer import TokenizerFile, extend_tokenizer, family_of
from tokengraft.tokenizer.inspection import (
    anatomy,
    free_places,
    inspect_tokenizer,
    mark_cuts,
    model_facts,
    usage,
    word_reports,
)


@pytest.mark.parametrize(
    ("kind", "family", "unknown"),
    [
        ("gpt2", "byte-level BPE", "No"), ("llama3", "byte-level BPE", "No"),
        ("sentencepiece", "SentencePiece BPE", "No"),
        ("unigram", "Unigram", "Yes"), ("wordpiece", "WordPiece", "Yes"),
    ],
)  # fmt: skip
def test_each_family_is_named_and_says_whether_words_can_be_unknown(make_tokenizer, kind, family, unknown):
    file = TokenizerFile.load(make_tokenizer(kind))
    found = anatomy(file)
    assert (found.family, found.extendable, found.size) == (family, "yes", file.size)
    assert found.unknown.startswith(unknown)
    assert found.algorithm.endswith(".")
    assert json.dumps(found.to_dict())


def test_a_family_that_cannot_be_extended_says_why(refused):
    found = anatomy(TokenizerFile.load(refused["character BPE"]))
    assert "no bytes behind it" in found.extendable
    assert found.unknown.startswith("Yes, and there is no token for it")


def test_usage_is_what_encoding_gives(make_tokenizer, code):
    base = TokenizerFile.load(make_tokenizer("llama3"))
    extension = extend_tokenizer(base, code, 40, processes=1)
    texts = code[:20]
    found = usage("code", texts, base, extension.file, family_of(base))
    assert found.tokens == sum(map(len, base.encode(texts)))
    assert found.tokens_other == sum(map(len, extension.encode(texts))) < found.tokens
    assert found.longer == 0
    assert 0 < found.saved <= found.ceiling
    assert found.words == sum(len(text.split()) for text in texts)
    assert found.bytes_per_token == pytest.approx(sum(len(text.encode()) for text in texts) / found.tokens)
    assert found.whole_words <= found.whole_words_other <= found.words


def test_cuts_at_marks_make_the_floor(make_tokenizer):
    split = family_of(TokenizerFile.load(make_tokenizer("gpt2"))).splitter()
    hindi = mark_cuts(split, ["किताब की हिन्दी", "the cat"])
    assert (hindi.words, hindi.at_marks) == (5, 4 + 1 + 5)
    assert hindi.pretokens == 5 + 10
    assert hindi.floor_without == 1.0
    assert mark_cuts(split, ["the cat sat"]).at_marks == 0


def test_words_split_cost_and_save(make_tokenizer):
    file = TokenizerFile.load(make_tokenizer("gpt2"))
    texts = ["the config of configs: config " * 60]
    known, frequent, rare, absent = word_reports(["the", "config", "configs", "zebra"], file, texts)
    assert known.single
    assert known.verdict == "it is one token already"
    assert (frequent.occurrences, rare.occurrences, absent.occurrences) == (120, 60, 0)
    assert frequent.saved == 120 * (len(frequent.pieces_spaced) - 1)
    assert [report.verdict.split(":")[0] for report in (frequent, rare, absent)] == ["yes", "hardly", "no"]
    (unseen,) = word_reports(["config"], file, [])
    assert unseen.occurrences is None
    assert "--corpus" in unseen.verdict


def write_model(folder, rows, dtype=np.float32, name="model.embed_tokens.weight", **config):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"vocab_size": 7, "hidden_size": 8, **config}))
    save_file({name: np.zeros((rows, 8), dtype), "a.bias": np.zeros(3, dtype)}, folder / "model.safetensors")
    return folder


def test_rows_are_read_from_the_header(tmp_path):
    facts = model_facts(write_model(tmp_path, 40, np.float16, tie_word_embeddings=False))
    assert (facts.rows, facts.width, facts.bytes_per_token) == (40, 8, 2 * 8 * 2)
    assert model_facts(write_model(tmp_path, 30, name="transformer.wte.weight")).bytes_per_token == 8 * 4
    (tmp_path / "model.safetensors").unlink()
    assert model_facts(tmp_path).rows == 7
    assert model_facts(tmp_path / "nowhere") is None


@pytest.mark.parametrize("data", [b"", b"\xff" * 20, b"\x05\0\0\0\0\0\0\0hello"])
def test_a_broken_model_file_is_said(tmp_path, data):
    write_model(tmp_path, 4)
    (tmp_path / "model.safetensors").write_bytes(data)
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        model_facts(tmp_path)


def test_free_places_are_found(make_tokenizer, tmp_path, code):
    tokenizer = make_tokenizer("gpt2")
    tokenizer.add_special_tokens(["<|reserved_special_token_1|>", "<unused7>", "<|user|>"])
    file = TokenizerFile.load(tokenizer)
    family = family_of(file)
    counts = dict.fromkeys(family.splitter()("".join(code[:5])), 1)
    free = free_places(file, model_facts(write_model(tmp_path, file.size + 11)), family, counts)
    assert [file.tokens[number] for number in free.reserved] == ["<|reserved_special_token_1|>", "<unused7>"]
    assert free.padded == 11
    used = {number for ids in file.encode(["".join(code[:5])]) for number in ids}
    assert free.dead == len(set(file.vocabulary.values()) - used)
    assert 0 < free.prunable <= free.dead


def test_an_extension_stands_beside_its_base(make_tokenizer, code, tmp_path):
    base = TokenizerFile.load(make_tokenizer("gpt2"))
    extension = extend_tokenizer(base, code, 30, processes=1)
    extension.save(tmp_path / "extended")
    (tmp_path / "code.txt").write_text(code[0], encoding="utf-8")
    corpora = {"code": CorpusConfig(str(tmp_path / "code.txt"))}
    found = inspect_tokenizer(base, corpora, extended=tmp_path / "extended", words=["config"])
    assert "".join(found.sample) == "".join(found.sample_other) == code[0].lstrip()[:240]
    assert len(found.sample_other) < len(found.sample)
    assert found.other.size == extension.size
    assert json.loads(json.dumps(found.to_dict()))["corpora"][0]["saved"] > 0
    other = TokenizerFile.load(make_tokenizer("llama3"))
    with pytest.raises(TokenizerError, match="not the tokenizer"):
        inspect_tokenizer(other, extended=tmp_path / "extended")


def test_bad_settings_are_refused(make_tokenizer):
    tokenizer = make_tokenizer("gpt2")
    with pytest.raises(ConfigError, match="an empty word"):
        inspect_tokenizer(tokenizer, words=["a", " "])
    with pytest.raises(ConfigError, match="max_documents = 0"):
        inspect_tokenizer(tokenizer, max_documents=0)
