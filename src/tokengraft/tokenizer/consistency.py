"""Faults that make a `tokenizer.json` contradict itself, found before anything is built on it."""

from collections.abc import Mapping, Sequence
from typing import Any

from tokengraft.errors import TokenizerError


def vocabulary_of(document: Mapping[str, Any]) -> dict[str, int]:
    """Id of each entry of the model, added tokens left out. Unigram keeps a list of (entry, score): ids by place."""
    vocabulary = document["model"]["vocab"]
    if isinstance(vocabulary, Mapping):
        return dict(vocabulary)
    return {entry[0]: place for place, entry in enumerate(vocabulary)}


def merge_pairs(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The merges as pairs, whether the file writes them as lists or as `"a b"`.

    >>> merge_pairs({"model": {"merges": ["a b", ["c", "d"]]}})
    [('a', 'b'), ('c', 'd')]
    """
    return [_pair(merge) for merge in document["model"].get("merges", ())]


def _pair(merge: str | Sequence[str]) -> tuple[str, str]:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def check_consistent(document: Mapping[str, Any], name: str) -> None:
    """Passes over a document whose ids and merges agree.

    Raises:
        TokenizerError: it is no tokenizer, an id stands twice, or a merge names or makes an entry that does not exist.
    """
    model = document.get("model")
    if not isinstance(model, Mapping) or not isinstance(model.get("vocab"), Mapping | list):
        raise TokenizerError(
            found=f"{name} without model.vocab",
            expected="a tokenizer.json of the tokenizers library",
            do="check the path",
        )
    vocabulary = vocabulary_of(document)
    _check_ids(vocabulary, document.get("added_tokens") or (), name)
    _check_merges(document, vocabulary, name)


def _check_ids(vocabulary: Mapping[str, int], added: Sequence[Mapping[str, Any]], name: str) -> None:
    owners: dict[int, str] = {}
    entries = [*vocabulary.items(), *((token["content"], token["id"]) for token in added)]
    for entry, number in entries:
        if owners.setdefault(number, entry) != entry:
            _refuse(f"{name} gives id {number} to both {owners[number]!r} and {entry!r}", "one entry an id")
        if vocabulary.get(entry, number) != number:
            _refuse(f"{name} gives {entry!r} both id {vocabulary[entry]} and id {number}", "one id an entry")


def _check_merges(document: Mapping[str, Any], vocabulary: Mapping[str, int], name: str) -> None:
    prefix = document["model"].get("continuing_subword_prefix") or ""
    for rank, merge in enumerate(document["model"].get("merges") or ()):
        if len(merge.split(" ") if isinstance(merge, str) else merge) != 2:
            _refuse(f"{name}: merge {rank} is {merge!r}", "a pair of vocabulary entries")
        left, right = _pair(merge)
        made = left + right.removeprefix(prefix)
        if not (left in vocabulary and right in vocabulary and made in vocabulary):
            absent = next(entry for entry in (left, right, made) if entry not in vocabulary)
            _refuse(
                f"{name}: merge {rank} ({left!r}, {right!r}) needs {absent!r}, which the vocabulary lacks",
                "merges that join and make vocabulary entries",
            )


def _refuse(found: str, expected: str) -> None:
    raise TokenizerError(
        found=found, expected=expected, do="fetch the file again, or rebuild it with the tokenizers library"
    )
