"""WordPiece: longer entries take the place of their pieces; what else changes is measured and told."""

import copy
import json
import warnings

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from tokengraft.errors import TokenizerError
from tokengraft.tokenizer import TokenizerFile, check_extension, extend_tokenizer, family_of, fertility
from tokengraft.tokenizer.text_promises import GUARD, TEXT_PROMISES


@pytest.fixture(scope="module")
def file(make_tokenizer):
    return TokenizerFile.load(make_tokenizer("wordpiece"))


@pytest.fixture(scope="module")
def extended(file, code):
    return extend_tokenizer(file, code, 40, processes=1)


def small(*entries):
    """A tokenizer with these entries after the unknown one."""
    vocabulary = {entry: number for number, entry in enumerate(("[UNK]", *entries))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return TokenizerFile.load(tokenizer)


def test_entries_join_without_the_mark_and_keep_its_place(extended):
    tokens = extended.base.tokens
    for token in extended.new_tokens:
        first, *rest = (tokens[piece] for piece in token.pieces)
        assert token.token == first + "".join(piece.removeprefix("##") for piece in rest)
        assert all(piece.startswith("##") for piece in rest)
        assert token.bytes.decode() == token.token.removeprefix("##")
    assert {token.token.startswith("##") for token in extended.new_tokens} == {True, False}


def test_entries_encode_where_they_may_stand(file):
    family = family_of(file)
    entries = [entry for entry in file.vocabulary if not entry.startswith(("[", "<"))]
    assert family.encode_entries(entries) == [[file.ids[entry]] for entry in entries]
    words = ["hidden", "attention", "catmat", "x1"]
    assert family.encode_entries(words) == [file.encode([word])[0] for word in words]
    assert family.encode_entries(["日"]) == [[]]


def test_old_ids_and_the_domains_size(extended, code):
    old, new = extended.base.ids, extended.file.ids
    assert all(new[entry] == number for entry, number in old.items())
    found = fertility(extended, code)
    assert found.saved > 0.3
    assert found.documents_longer == 0


def test_promises_about_texts_are_measured_and_the_rest_is_kept(extended, code, english):
    for result in check_extension(extended, code, english):
        assert result.outcome == ("measured" if result.name in {*TEXT_PROMISES, GUARD} else "passed")


def test_a_word_that_becomes_longer_is_told():
    """`unhappy` is `un|##happy`; a new `unh` leaves `##appy`, of which there is no piece but letters."""
    base = small("un", "##h", "##happy", "##a", "##p", "##y")
    extended = extend_tokenizer(base, ["unh unh unh"], 1, processes=1)
    assert [token.token for token in extended.new_tokens] == ["unh"]
    results = {result.name: result for result in check_extension(extended, ["unh"], ["unhappy", "un"])}
    longer = results["no text is longer"]
    assert (longer.passed, longer.outcome) == (False, "measured")
    assert "0 of 1 domain, 1 of 2 general" in longer.detail
    assert "'unhappy'" in longer.evidence


def test_an_unknown_word_joins_nothing(file):
    tokens = extend_tokenizer(file, ["日本 日本x torchlight torchlight"] * 10, 50, processes=1).new_tokens
    assert tokens
    assert all(token.token.isascii() and "UNK" not in token.token for token in tokens)


@pytest.mark.parametrize("model_type", [None, "bert"])
def test_auto_tokenizer_reads_what_was_saved(extended, code, tmp_path, model_type):
    from transformers import AutoTokenizer

    extended.save(tmp_path)
    if model_type:
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = AutoTokenizer.from_pretrained(tmp_path)
    texts = [*code[:5], "the cat <tool> sat", "日本 é"]
    assert loaded(texts, add_special_tokens=False).input_ids == extended.encode(texts)
    assert loaded.convert_ids_to_tokens(list(range(extended.base_size))) == extended.base.tokens


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"pre_tokenizer": None}, "cuts text at whitespace"),
        ({"decoder": None}, "decoder does not join"),
        ({"model": {"continuing_subword_prefix": ""}}, "does not mark the inside"),
        ({"model": {"unk_token": "[NONE]"}}, "unknown token has no entry"),
    ],
)
def test_what_would_do_harm_is_refused(file, change, reason):
    document = copy.deepcopy(file.document)
    document["model"] |= change.get("model", {})
    parts = {name: part for name, part in change.items() if name != "model"}
    with pytest.raises(TokenizerError, match=reason):
        family_of(TokenizerFile({**document, **parts}))
