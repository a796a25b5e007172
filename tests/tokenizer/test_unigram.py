"""Unigram: new entries win where their pieces would, and what is only measured is said to be."""

import copy
import dataclasses
import json
import warnings

import numpy as np
import pytest

from tokengraft.errors import CheckError, TokenizerError
from tokengraft.tokenizer import (
    TokenizerFile,
    check_extension,
    count_corpus,
    extend_tokenizer,
    family_of,
    fertility,
    require,
)
from tokengraft.tokenizer.families.unigram import EPSILON, SPREAD
from tokengraft.tokenizer.sentencepiece_model import Piece, read_pieces
from tokengraft.tokenizer.text_promises import GUARD, TEXT_PROMISES


@pytest.fixture(scope="module")
def file(make_tokenizer):
    return TokenizerFile.load(make_tokenizer("unigram"))


@pytest.fixture(scope="module")
def extended(file, code):
    return extend_tokenizer(file, code, 40, processes=1)


def scores_of(tokenizer):
    return [score for _, score in tokenizer.document["model"]["vocab"]]


def test_an_entry_scores_its_pieces_and_a_little_more(extended):
    old, new = scores_of(extended.base), scores_of(extended.file)
    for token in extended.new_tokens:
        gain = new[token.id] - sum(old[piece] for piece in token.pieces)
        most = EPSILON * (len(token.pieces) - 1)
        assert most - EPSILON * SPREAD - 1e-9 <= gain <= most + 1e-9


def test_old_entries_and_ids_stay(extended, file):
    vocabulary = extended.file.document["model"]["vocab"]
    assert vocabulary[: len(file.document["model"]["vocab"])] == file.document["model"]["vocab"]
    assert [vocabulary[token.id][0] for token in extended.new_tokens] == [token.token for token in extended.new_tokens]
    assert extended.file.ids["<tool>"] == file.ids["<tool>"] == file.size - 1
    assert vocabulary[file.size - 1][0] == "<tool>"


def test_the_domain_takes_fewer_tokens(extended, code):
    found = fertility(extended, code)
    assert found.saved > 0.3
    assert found.documents_longer == 0


def test_savings_add_up_to_what_reencoding_saves(extended, code):
    counts = count_corpus(family_of(extended.base), code, processes=1)
    before, after = (family_of(one).words(counts).total for one in (extended.base, extended.file))
    assert sum(token.saved for token in extended.new_tokens) == before - after > 0


def test_promises_about_texts_are_measured_and_the_rest_is_kept(extended, code):
    for result in check_extension(extended, code, ["the cat <tool> sat", "日本 é"]):
        assert result.outcome == ("measured" if result.name in {*TEXT_PROMISES, GUARD} else "passed")
        assert ("measured, not proved: 0 of 200 domain" in result.detail) == (result.name in TEXT_PROMISES)


def test_texts_that_differ_are_counted_where_they_were_found(extended, code):
    wrong = [dataclasses.replace(token, pieces=token.pieces[::-1]) for token in extended.new_tokens]
    broken = dataclasses.replace(extended, new_tokens=tuple(wrong))
    results = {result.name: result for result in check_extension(broken, code, ["the cat"])}
    found = results["pieces are the base's encoding"]
    assert (found.passed, found.outcome) == (False, "measured")
    assert found.detail.startswith("measured, not proved: 200 of 200 domain, 0 of 1 general, ")
    assert found.evidence
    with pytest.raises(CheckError, match="pieces spell their token"):
        require(list(results.values()))


def test_what_is_unknown_joins_nothing(file):
    tokens = extend_tokenizer(file, ["日本 日本x 日本xyz qzqz qzqz"] * 10, 50, processes=1).new_tokens
    assert all("日" not in token.token and "<unk>" not in token.token for token in tokens)


@pytest.mark.parametrize("model_type", [None, "t5"])
def test_auto_tokenizer_reads_what_was_saved(extended, code, tmp_path, model_type):
    from transformers import AutoTokenizer

    extended.save(tmp_path)
    if model_type:
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = AutoTokenizer.from_pretrained(tmp_path)
    texts = [*code[:5], "the cat <tool> sat</s>", "日本 é"]
    assert loaded(texts, add_special_tokens=False).input_ids == extended.encode(texts)
    assert loaded.convert_ids_to_tokens(list(range(extended.base_size))) == extended.base.tokens


def test_the_model_gets_the_same_pieces_and_scores(file, code):
    entries = file.document["model"]["vocab"]
    data = b"".join(Piece(token, score).encoded() for token, score in entries)
    beside = TokenizerFile(file.document, {}, {}, {"spiece.model": data})
    extended = extend_tokenizer(beside, code, 40, processes=1)
    pieces = read_pieces(extended.file.binaries["spiece.model"])
    assert [piece.text for piece in pieces] == extended.file.tokens
    written = [piece.score for piece in pieces[extended.base_size :]]
    assert written == [float(np.float32(score)) for score in scores_of(extended.file)[extended.base_size :]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"pre_tokenizer": {"type": "WhitespaceSplit"}}, "cuts text at spaces"),
        ({"decoder": None}, "decoder does not turn"),
        ({"model": {"unk_id": None}}, "no unknown token"),
    ],
)
def test_what_would_do_harm_is_refused(file, change, reason):
    document = copy.deepcopy(file.document)
    document["model"] |= change.get("model", {})
    parts = {name: part for name, part in change.items() if name != "model"}
    with pytest.raises(TokenizerError, match=reason):
        family_of(TokenizerFile({**document, **parts}))


def test_entries_with_inner_spaces_are_refused(file):
    document = copy.deepcopy(file.document)
    document["model"]["vocab"][-1][0] = "a▁b"
    with pytest.raises(TokenizerError, match="'a▁b', hold a space"):
        family_of(TokenizerFile(document))
