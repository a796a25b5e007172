"""SentencePiece tokenizers that others made: every promise, AutoTokenizer, and the sentencepiece library."""

import gzip
import json
import shutil
import warnings
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokengraft.tokenizer import ExtendedTokenizer, check_extension, extend_tokenizer, fertility, require
from tokengraft.tokenizer.fuzz import fuzz_texts
from tokengraft.tokenizer.prune import prune_tokenizer

pytestmark = pytest.mark.data

BASES = ("tokenizers/llama2", "models/stories260K-hf")
DOMAINS = {"verilog": 120, "biomed": 3000, "hindi": 300}


def texts(folder, name, number):
    with gzip.open(folder / "corpora" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line)["text"] for _, line in zip(range(number), file, strict=False)]


@pytest.fixture(scope="module", params=BASES)
def place(request, shared_data):
    return shared_data / request.param


@pytest.fixture(scope="module", params=sorted(DOMAINS))
def domain(request, shared_data):
    """(text to choose from, held-out text)."""
    documents = texts(shared_data, request.param, DOMAINS[request.param])
    share = len(documents) * 3 // 4
    return documents[:share], documents[share:]


@pytest.fixture(scope="module")
def extended(place, domain):
    return extend_tokenizer(place, domain[0], 400, processes=1)


def test_the_sentencepiece_library_follows_a_pruned_tokenizer(shared_data):
    sentencepiece = pytest.importorskip("sentencepiece", reason="the extra `sentencepiece` is not installed")
    domain, other = texts(shared_data, "verilog", 60), texts(shared_data, "wikitext2", 60)
    pruned = prune_tokenizer(shared_data / "tokenizers/llama2", domain[:40], 300, general=other[:20], processes=1)
    library = sentencepiece.SentencePieceProcessor(model_proto=pruned.file.binaries["tokenizer.model"])
    assert library.vocab_size() == pruned.base.size
    extra = [entry.gone_bytes.decode() for entry in pruned.replaced]
    plain = [text.replace("<unk>", "") for text in other]  # a token for tokenizer.json alone
    for text in [*domain, *plain, *extra, *(entry.bytes.decode() for entry in pruned.replaced)]:
        assert library.encode(text) == pruned.file.encode([text])[0]


def test_every_promise_holds_on_held_out_text(extended, shared_data, domain):
    general = [text for name in ("hindi", "estonian", "wikitext2") for text in texts(shared_data, name, 20)]
    require(check_extension(extended, domain[1], general, seed=3))
    found = fertility(extended, domain[1])
    assert found.documents_longer == 0
    assert found.saved > 0  # stories260K knows no letter of Hindi, and bytes are not merged


@given(data=st.data())
def test_the_equation_holds_for_any_text(extended, data):
    some = [token.bytes.decode(errors="ignore") for token in extended.new_tokens[::7]]
    parts = st.sampled_from([*some, " ", "\n\t", "always", "é", "क्ष", "e\u0301"]) | st.text(max_size=6)
    text = "".join(data.draw(st.lists(parts, max_size=12)))
    pieces = {token.id: token.pieces for token in extended.new_tokens}
    ids = extended.encode([text])[0]
    assert [piece for number in ids for piece in pieces.get(number, (number,))] == extended.base.encode([text])[0]
    assert extended.decode(ids) == extended.base.decode(extended.base.encode([text])[0])


def test_auto_tokenizer_reads_what_was_saved(extended, place, domain, tmp_path):
    from transformers import AutoTokenizer

    extended.save(tmp_path)
    if (place / "config.json").is_file():
        shutil.copy(place / "config.json", tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = AutoTokenizer.from_pretrained(tmp_path)
    sample = [*domain[1][:10], "a <s> b</s>", "  two\n\nlines 42"]
    assert loaded(sample, add_special_tokens=False).input_ids == extended.encode(sample)
    assert loaded.convert_ids_to_tokens(range(extended.base_size)) == extended.base.tokens
    assert ExtendedTokenizer.load(tmp_path, place) == extended


def test_the_sentencepiece_library_follows_merges_over_spaces(shared_data):
    sentencepiece = pytest.importorskip("sentencepiece", reason="the extra `sentencepiece` is not installed")
    documents = texts(shared_data, "verilog", 120)
    extended = extend_tokenizer(shared_data / "tokenizers/llama2", documents[:90], 800, "superwords", processes=1)
    require(check_extension(extended, documents[90:], (), seed=3))
    library = sentencepiece.SentencePieceProcessor(model_proto=extended.file.binaries["tokenizer.model"])
    drawn = fuzz_texts(extended, documents[90:], 2000, 1)
    plain = [text for text in [*documents, *drawn] if not any(mark in text for mark in ("<s>", "</s>", "<unk>"))]
    assert library.encode(plain) == [list(ids) for ids in extended.encode(plain)]


def test_the_sentencepiece_library_gives_the_same_ids(extended, domain):
    if not extended.base.binaries:
        pytest.skip("this tokenizer has no .model")
    sentencepiece = pytest.importorskip("sentencepiece", reason="the extra `sentencepiece` is not installed")
    library = sentencepiece.SentencePieceProcessor(model_proto=extended.file.binaries["tokenizer.model"])
    assert library.vocab_size() == extended.size
    added = [token["content"] for token in extended.base.added_tokens]
    for text in chain(domain[1], fuzz_texts(extended, domain[1], 500, 1)):
        if not any(content in text for content in added):  # plain text for the library, tokens for tokenizer.json
            assert library.encode(text) == extended.encode([text])[0]
