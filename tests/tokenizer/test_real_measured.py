"""Tokenizers of others in the families that no theorem covers: the same checks, and what is measured."""

import gzip
import json
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokengraft.tokenizer import check_extension, extend_tokenizer, fertility, require
from tokengraft.tokenizer.text_promises import GUARD, TEXT_PROMISES

pytestmark = pytest.mark.data

BASES = {"t5-small": "t5", "bert-base-uncased": "bert"}
DOMAINS = {"verilog": 120, "biomed": 3000, "hindi": 300}


def texts(folder, name, number):
    with gzip.open(folder / "corpora" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line)["text"] for _, line in zip(range(number), file, strict=False)]


@pytest.fixture(scope="module", params=sorted(BASES))
def base(request):
    return request.param


@pytest.fixture(scope="module", params=sorted(DOMAINS))
def domain(request, shared_data):
    """(text to choose from, held-out text)."""
    documents = texts(shared_data, request.param, DOMAINS[request.param])
    share = len(documents) * 3 // 4
    return documents[:share], documents[share:]


@pytest.fixture(scope="module")
def extended(base, domain, shared_data):
    return extend_tokenizer(shared_data / "tokenizers" / base, domain[0], 400, processes=1)


def test_the_file_keeps_its_promises_and_texts_are_measured(extended, shared_data, domain):
    general = [text for name in ("hindi", "estonian", "wikitext2") for text in texts(shared_data, name, 20)]
    results = check_extension(extended, domain[1], general, seed=3)
    require(results)
    for result in results:
        assert result.outcome == ("measured" if result.name in {*TEXT_PROMISES, GUARD} else "passed")


@given(data=st.data())
def test_what_holds_for_any_text(extended, data):
    some = [token.text for token in extended.new_tokens[::7]]
    parts = st.sampled_from([*some, " ", "\n\t", "always", "é", "क्ष", "e\u0301", "##s", "▁"]) | st.text(max_size=6)
    text = "".join(data.draw(st.lists(parts, max_size=12)))
    before, after = extended.base.encode([text])[0], extended.encode([text])[0]
    assert extended.decode(after) == extended.base.decode(before)
    assert max(after, default=0) >= extended.base_size or after == before
    # What the new tokens stand for spells the same text, whichever way it is cut.
    pieces = extended.decomposition.flatten(np.asarray(after, np.int64)).tolist()
    assert spelled(extended.base, pieces) == spelled(extended.base, before)


def spelled(file, ids):
    return b"".join(map(file.token_bytes, ids))


def test_held_out_text_is_shorter(extended, domain):
    found = fertility(extended, domain[1])
    assert found.saved > 0
    assert found.documents_longer <= 0.01 * found.documents


def test_auto_tokenizer_reads_what_was_saved(extended, base, domain, tmp_path):
    from transformers import AutoTokenizer

    extended.save(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": BASES[base]}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = AutoTokenizer.from_pretrained(tmp_path)
    sample = [*domain[1][:20], "a </s> b [SEP]", "  two\n\nlines 42"]
    assert loaded(sample, add_special_tokens=False).input_ids == extended.encode(sample)
    old = [extended.base.tokenizer.id_to_token(number) for number in range(extended.base_size)]
    assert loaded.convert_ids_to_tokens(list(range(extended.base_size))) == old
