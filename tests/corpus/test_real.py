"""Corpora that others made: read, split and counted."""

from collections import Counter

import pytest
import regex

from tokengraft.config import CorpusConfig, SharesConfig
from tokengraft.corpus import check_readable, count_pretokens, require_parts, stream, stream_part

pytestmark = pytest.mark.data


@pytest.mark.parametrize(("name", "documents"), [("verilog", 815), ("estonian", 8075), ("hindi", 1434)])
def test_every_document_is_read(shared_data, name, documents):
    config = CorpusConfig(str(shared_data / "corpora" / f"{name}.jsonl.gz"))
    check_readable(config)
    require_parts(config, SharesConfig())
    assert sum(1 for _ in stream(config)) == documents


def test_counts_of_a_part_are_exact(shared_data):
    config = CorpusConfig(str(shared_data / "corpora" / "verilog.jsonl.gz"), max_documents=200)
    split = regex.compile(r"\s*\p{L}+|\s*\p{N}|\s*[^\s\p{L}\p{N}]+|\s+").findall
    texts = [document.text for document in stream_part(config, SharesConfig(), "tokens")]
    expected = Counter()
    for text in texts:
        expected.update({pretoken: min(count, 10) for pretoken, count in Counter(split(text)).items()})
    assert count_pretokens(texts, split, max_per_document=10) == expected
