"""Parts of a corpus: fixed by the name alone, in the proportions asked for, and never empty without a word."""

import math
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokengraft.config import CorpusConfig, SharesConfig
from tokengraft.corpus import part_of, require_parts, stream, stream_part
from tokengraft.corpus.shares import PARTS
from tokengraft.errors import CorpusError


@st.composite
def shares(draw):
    weights = [draw(st.integers(1, 20)) for _ in PARTS]
    return SharesConfig(*[weight / sum(weights) for weight in weights])


@given(st.text(st.characters(exclude_categories=["Cs"])), shares())
def test_the_part_is_where_the_hash_of_the_name_falls(name, config):
    place = int(sha256(name.encode()).hexdigest()[:16], 16) / 16**16
    ends = (config.tokens, config.tokens + config.training)
    assert part_of(name, config) == PARTS[sum(place >= end for end in ends)]


def test_parts_are_the_same_on_every_machine():
    names = ["a.py", "rtl/uart.v", "notes.jsonl:1", "notes.jsonl:2", "ü/你.txt"]
    expected = ["heldout", "tokens", "tokens", "training", "tokens"]
    assert [part_of(name, SharesConfig()) for name in names] == expected


@given(shares(), st.integers(0, 1000))
def test_parts_are_as_large_as_asked(config, first):
    number = 3000
    found = [part_of(f"file.jsonl:{i}", config) for i in range(first, first + number)]
    for part in PARTS:
        share = getattr(config, part)
        # Five standard deviations: one draw in two million lies outside by chance.
        assert abs(found.count(part) - number * share) < 5 * math.sqrt(number * share * (1 - share)) + 1


def test_parts_share_no_document_and_lose_none(tmp_path, write):
    config = CorpusConfig(write.jsonl(tmp_path / "a.jsonl", [f"text {i}" for i in range(200)]))
    parts = [list(stream_part(config, SharesConfig(), part)) for part in PARTS]
    assert sorted(d.name for part in parts for d in part) == sorted(d.name for d in stream(config))
    assert all(parts)
    require_parts(config, SharesConfig())


def test_require_parts_reads_no_further_than_it_must(tmp_path):
    good = "".join(f'{{"text": "text {i}"}}\n' for i in range(200))
    (tmp_path / "a.jsonl").write_text(good + "broken", encoding="utf-8")
    require_parts(CorpusConfig(str(tmp_path / "a.jsonl")), SharesConfig())


def test_an_empty_part_is_an_error(tmp_path, write):
    config = CorpusConfig(write.folder(tmp_path, {"one.py": "x"}))
    part = part_of("one.py", SharesConfig())
    assert [document.name for document in stream_part(config, SharesConfig(), part)] == ["one.py"]
    for empty in set(PARTS) - {part}:
        with pytest.raises(CorpusError, match=f"no document in the part '{empty}' of .* \\(of 1: "):
            list(stream_part(config, SharesConfig(), empty))
    with pytest.raises(CorpusError) as caught:
        require_parts(config, SharesConfig())
    assert "give more documents" in caught.value.do
