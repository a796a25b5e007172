"""Every conservative method on real tokenizers: the equation for any text, and what is refused."""

import gzip
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokengraft.errors import TokenizerError
from tokengraft.tokenizer import extend_tokenizer

pytestmark = pytest.mark.data

CASES = [
    *(("gpt2", method) for method in ("words", "donor", "superwords")),
    ("mistral-nemo", "superwords"),
    *(("deepseek-coder", method) for method in ("words", "superwords")),
    *(("llama2", method) for method in ("donor", "superwords")),
]
WORDS = ["posedge", "endmodule", "always_ff", "localparam", "नमस्ते", "naïve"]


@pytest.fixture(scope="module")
def verilog(shared_data):
    with gzip.open(shared_data / "corpora" / "verilog.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line)["text"] for _, line in zip(range(80), file, strict=False)]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def extended(request, shared_data, verilog):
    tokenizer, method = request.param
    tokenizers = shared_data / "tokenizers"
    return extend_tokenizer(
        tokenizers / tokenizer,
        verilog[:60],
        200,
        method,
        words=WORDS,
        donor=tokenizers / "qwen2",
        guard=verilog[60:],
        processes=1,
    )


PIECE = st.text(max_size=20) | st.sampled_from(["posedge", "always_ff", " @(", "    ", "\n", "module", "[7:0]", "'s"])


@settings(max_examples=150)
@given(st.lists(PIECE, max_size=8), st.integers(0, 79), st.integers(0, 2000))
def test_the_equation_holds(extended, verilog, pieces, document, start):
    text = "".join(pieces) + verilog[document][start : start + 60] + "".join(reversed(pieces))
    (base,), (new,) = extended.base.encode([text]), extended.encode([text])
    assert extended.decomposition.flatten(np.array(new, np.int64)).tolist() == base
    assert extended.decode(new) == extended.base.decode(base)


@pytest.mark.parametrize("tokenizer", ["t5-small", "bert-base-uncased"])
def test_superwords_are_refused_where_no_pattern_can_hold_them(shared_data, verilog, tokenizer):
    with pytest.raises(TokenizerError, match="choose another method"):
        extend_tokenizer(shared_data / "tokenizers" / tokenizer, verilog[:5], 10, "superwords", processes=1)
