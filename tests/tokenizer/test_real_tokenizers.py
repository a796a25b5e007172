"""The promises on real tokenizers and a real domain: nothing unreachable, nothing moved, nothing longer."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokengraft.alignment import align
from tokengraft.errors import TokenizerError
from tokengraft.tokenizer import (
    TokenizerFile,
    ceiling_of_texts,
    check_extension,
    extend_tokenizer,
    family_of,
    fertility,
    require,
)
from tokengraft.tokenizer.pretokens import splitter_of
from tokengraft.tokenizer.spelling import text_of_spelling

pytestmark = pytest.mark.data

BYTE_LEVEL = ("gpt2", "qwen2", "deepseek-coder", "mistral-nemo")
SIZE = 400


def texts(folder, name, number):
    with gzip.open(folder / "corpora" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line)["text"] for _, line in zip(range(number), file, strict=False)]


@pytest.fixture(scope="module")
def verilog(shared_data):
    """(text to choose from, held-out text)."""
    documents = texts(shared_data, "verilog", 160)
    return documents[:120], documents[120:]


@pytest.fixture(scope="module", params=BYTE_LEVEL)
def extended(request, shared_data, verilog):
    return extend_tokenizer(shared_data / "tokenizers" / request.param, verilog[0], SIZE, processes=1)


def test_every_promise_holds_on_held_out_text(extended, shared_data, verilog):
    general = [text for name in ("hindi", "estonian", "wikitext2") for text in texts(shared_data, name, 30)]
    results = check_extension(extended, verilog[1], general, seed=3)
    require(results)
    assert len(extended.new_tokens) == SIZE


@given(data=st.data())
def test_the_equation_holds_for_any_text(extended, data):
    some = [token.bytes.decode(errors="ignore") for token in extended.new_tokens[::7]]
    parts = st.sampled_from([*some, " ", "\n\t", "always", "é", "क्ष", "e\u0301"]) | st.text(max_size=6)
    text = "".join(data.draw(st.lists(parts, max_size=12)))
    pieces = {token.id: token.pieces for token in extended.new_tokens}
    ids = extended.encode([text])[0]
    assert [piece for number in ids for piece in pieces.get(number, (number,))] == extended.base.encode([text])[0]
    assert extended.decode(ids) == extended.base.decode(extended.base.encode([text])[0])


def test_held_out_text_is_shorter_and_within_the_ceiling(extended, verilog):
    found = fertility(extended, verilog[1])
    assert found.documents_longer == 0
    assert 0.05 < found.saved <= ceiling_of_texts(family_of(extended.base), verilog[1]).share


def test_pretokens_are_those_of_the_library(extended, shared_data, verilog):
    split, library = splitter_of(extended.base), extended.base.tokenizer
    for text in [*verilog[1][:8], *texts(shared_data, "hindi", 3), *texts(shared_data, "estonian", 20)]:
        if any(token["content"] in text for token in extended.base.added_tokens):
            continue  # deepseek-coder's ü, ö and õ; the next test has them
        normalised = library.normalizer.normalize_str(text) if library.normalizer else text
        pieces = library.pre_tokenizer.pre_tokenize_str(normalised)
        assert split(text) == [text_of_spelling(piece) for piece, _ in pieces]


def test_pretokens_around_added_tokens_encode_as_the_text_does(extended, shared_data):
    split, family = splitter_of(extended.base), family_of(extended.base)
    added = {token["id"] for token in extended.base.added_tokens}
    contents = [token["content"] for token in extended.base.added_tokens[:3]]
    for text in texts(shared_data, "estonian", 30):
        joined = text + "".join(f" {content} {text[:20]}" for content in contents)
        whole = [number for number in extended.base.encode([joined])[0] if number not in added]
        assert [number for piece in split(joined) for number in family.words({piece: 1}).ids.tolist()] == whole


def test_pieces_and_bytes_align_alike(extended, verilog):
    for text in verilog[1][:5]:
        by_pieces, by_bytes = align(text, extended.base, extended), align(text, extended.base, extended.file)
        assert by_pieces.base_positions.tolist() == by_bytes.base_positions.tolist()


@pytest.mark.parametrize(
    ("place", "family"),
    [
        ("models/tinygpt-shakespeare-hf", "character BPE"),
        ("models/chemts-gpt2-0.2m-smiles", "WordLevel"),
    ],
)
def test_other_families_are_refused_by_name(shared_data, place, family):
    with pytest.raises(TokenizerError, match=f"a {family} tokenizer"):
        family_of(TokenizerFile.load(shared_data / place))
