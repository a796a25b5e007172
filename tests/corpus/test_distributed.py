"""Counts under datatrove are the counts of one process."""

import builtins
import subprocess
import sys

import pytest

from tokengraft.config import CorpusConfig
from tokengraft.corpus import count_pretokens, stream
from tokengraft.corpus.distributed import CountPretokens, ReadCorpus, SumCounts, count_distributed, counts_in
from tokengraft.errors import ConfigError, CorpusError
from tokengraft.tokenizer import TokenizerFile, family_of
from tokengraft.tokenizer.candidates import Demand
from tokengraft.tokenizer.extend import extend_from_counts


@pytest.fixture
def corpus(tmp_path, code, english):
    """A corpus of many files, in two of which a word comes often."""
    folder = tmp_path / "texts"
    folder.mkdir()
    for number, text in enumerate([*code[:20], *english[:20], "often " * 50, "often " * 3, "日本 é often"]):
        (folder / f"{number:02d}.txt").write_text(text, encoding="utf-8")
    return CorpusConfig(str(folder))


def small():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: place for place, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return family_of(TokenizerFile.load(tokenizer))


def locally(corpus, split, cap):
    texts = (document.text for document in stream(corpus))
    return count_pretokens(texts, split, max_per_document=cap, processes=1)


@pytest.mark.filterwarnings("ignore")  # datatrove's own
def test_two_workers_count_as_one_process(corpus, tmp_path):
    pytest.importorskip("datatrove", reason="the extra `distributed` is not installed")
    family = small()
    held = locally(corpus, family.splitter(), 4)
    found = count_distributed(corpus, family.splitter(), tmp_path / "counts", max_per_document=4, tasks=2, workers=2)
    assert dict(found.items()) == held
    assert len(found) == len(held)
    extensions = [
        extend_from_counts(family, counts, Demand(30)).new_tokens for counts in (held, counts_in(tmp_path / "counts"))
    ]
    assert extensions[0] == extensions[1]
    with pytest.raises(ConfigError, match="holds counts already"):
        count_distributed(corpus, family.splitter(), tmp_path / "counts")


@pytest.mark.parametrize("tasks", [1, 3, 7])
def test_any_number_of_tasks_gives_the_same(corpus, tmp_path, tasks):
    """The steps as any executor would call them, with counts that go to disk on the way."""
    split, folder = small().splitter(), str(tmp_path / "counts")
    for rank in range(tasks):
        documents = ReadCorpus(corpus)(None, rank, tasks)
        assert not list(CountPretokens(split, folder, 4, max_distinct=5)(documents, rank, tasks))
    for rank in range(tasks):
        assert not list(SumCounts(folder)(None, rank, tasks))
    assert dict(counts_in(folder).items()) == locally(corpus, split, 4)


def test_a_folder_without_counts_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="no counts in"):
        counts_in(tmp_path)


UNGUARDED = """
from tokengraft.config import CorpusConfig
from tokengraft.corpus.distributed import count_distributed
count_distributed(CorpusConfig({corpus!r}), str.split, {folder!r}, tasks=2, workers=2)
"""


def test_a_script_that_counts_as_soon_as_it_is_read_is_told_so(corpus, tmp_path):
    """Each worker would read it, count, and end; the pool would start workers for ever."""
    pytest.importorskip("datatrove", reason="the extra `distributed` is not installed")
    script, folder = tmp_path / "script.py", tmp_path / "counts"
    script.write_text(UNGUARDED.format(corpus=corpus.path, folder=str(folder)))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("do: add that line to the script, or pass workers=1")
    assert not folder.exists()


def test_without_datatrove_the_extra_is_named(monkeypatch, corpus, tmp_path):
    whole = builtins.__import__

    def without(name, *arguments, **more):
        if name.startswith("datatrove"):
            raise ImportError(name)
        return whole(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"tokengraft\[distributed\]"):
        count_distributed(corpus, str.split, tmp_path / "counts")
