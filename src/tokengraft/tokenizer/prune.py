"""Tokens of a domain in the places of tokens that it never uses: another vocabulary at the same size.

Ids are used again, which an extension never does: a model that reads a freed id reads another token from now on, and
its rows must be made anew. What is given up is written down, token by token.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from tokengraft import atomic
from tokengraft.errors import ConfigError, CorpusError, TokenizerError
from tokengraft.tokenizer.ceiling import Ceiling, ceiling
from tokengraft.tokenizer.conservative import pinned_vocabulary, portable_config
from tokengraft.tokenizer.extend import Corpus, count_corpus
from tokengraft.tokenizer.families import Family, family_of
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.leaves import Leaf, leaves
from tokengraft.tokenizer.merging import Merge, Words, learn_merges, pieces_of
from tokengraft.tokenizer.promises import CheckResult
from tokengraft.tokenizer.sentencepiece_model import irreplaceable, replaced_models
from tokengraft.tokenizer.tokens import shown

PRUNED = "pruned.jsonl"
"""What was given up, one token a line, with what took its place."""

RECORD = "tokengraft-prune.json"
"""Figures and checks."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """One id that changed hands."""

    id: int
    gone: str
    """Vocabulary entry that was given up."""
    gone_bytes: bytes
    gone_pieces: tuple[int, ...]
    """How it is encoded from now on, alone."""
    used: int
    """How often the text to be spared used it."""
    token: str
    """Entry that stands there now."""
    bytes: bytes
    pieces: tuple[int, ...]
    """The old ids that the new token stands for."""
    count: int
    """How often its pair stood side by side in the domain."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; bytes in hexadecimal."""
        return {
            "id": self.id,
            "given_up": {
                "token": self.gone, "text": shown(self.gone_bytes), "bytes": self.gone_bytes.hex(),
                "pieces": list(self.gone_pieces), "used_in_general": self.used,
            },
            "new": {
                "token": self.token, "text": shown(self.bytes), "bytes": self.bytes.hex(),
                "pieces": list(self.pieces), "count": self.count,
            },
        }  # fmt: skip


@dataclass(frozen=True)
class PrunedTokenizer:
    """A tokenizer of the size of `base`, in which some ids stand for other tokens."""

    base: TokenizerFile
    file: TokenizerFile
    replaced: tuple[Replaced, ...]
    asked: int
    tokens_before: int
    """Tokens of the counted domain text with the base (counts capped per document)."""
    tokens_after: int
    ceiling: Ceiling
    checks: tuple[CheckResult, ...] = ()

    @property
    def shortfall(self) -> str | None:
        """A sentence where fewer ids changed hands than were asked for; None where all did."""
        given = len(self.replaced)
        return (
            None if given == self.asked else f"{given} of {self.asked} ids: no more leaves, or no more frequent pairs"
        )

    def save(self, folder: str | Path) -> None:
        """Writes the tokenizer, `pruned.jsonl` with what was given up, and the checks.

        A `tokenizer.model` of SentencePiece beside the base is written too, with the same ids.

        Raises:
            RunFolderError: the folder cannot be written.
        """
        self.file.save(folder)
        atomic.write_jsonl(Path(folder) / PRUNED, (entry.to_dict() for entry in self.replaced))
        atomic.write_json(Path(folder) / RECORD, self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Figures and checks as plain values."""
        return {
            "base": self.base.name,
            "base_sha256": self.base.fingerprint,
            "sha256": self.file.fingerprint,
            "size": self.file.size,
            "asked": self.asked,
            "replaced": len(self.replaced),
            "ids": [entry.id for entry in self.replaced],
            "tokens_before": self.tokens_before,
            "tokens_after": self.tokens_after,
            "ceiling": self.ceiling.share,
            "checks": [check.to_dict() for check in self.checks],
        }


def prune_tokenizer(
    base: Any,
    corpus: Corpus,
    size: int = 800,
    *,
    general: Corpus = (),
    min_count: int = 2,
    max_per_document: int = 10,
    processes: int | None = None,
    seed: int = 0,
) -> PrunedTokenizer:
    """The tokenizer `base` in which up to `size` tokens that `corpus` never uses are replaced by tokens chosen from it.

    Only leaves go: tokens that no other rule joins. Bytes, single characters and added tokens stay. Of the leaves that
    the domain never uses, those go first that `general` uses least, then those that the base learned last. Text that
    holds none of them encodes as before, up to the new tokens. A `tokenizer.model` beside it follows, to the same ids.
    No file is touched.

    Raises:
        ConfigError: `size` or `min_count` is below 1.
        TokenizerError: the tokenizer is no BPE that can be extended soundly, or its `.model` has other ids than it.
        CorpusError: the corpus is empty or unreadable, uses every leaf, or holds no pair that could become a token.
        CheckError: a promise does not hold for the result.
    """
    for name, value in (("size", size), ("min_count", min_count)):
        if value < 1:
            raise ConfigError(found=f"{name} = {value}", expected="1 or more", do=f"raise {name}")
    family = _bpe(family_of(TokenizerFile.load(base)))
    held = irreplaceable(family.file)
    counts = count_corpus(family, corpus, max_per_document=max_per_document, processes=processes)
    spared = count_corpus(family, general, max_per_document=max_per_document, processes=processes)
    words = family.words(counts)
    chosen = list(islice(_unused(family, words, family.words(spared), held), size))
    merges = _learned(family, words, chosen, min_count)
    _require_some(chosen, merges, len(counts))
    pruned = _assembled(family, chosen[: len(merges)], merges)
    result = PrunedTokenizer(
        base=family.file,
        file=pruned,
        replaced=tuple(_replaced(family.file, pruned, chosen, merges)),
        asked=size,
        tokens_before=words.total,
        tokens_after=family_of(pruned).words(counts).total,
        ceiling=ceiling(family, counts),
    )
    from tokengraft.tokenizer.prune_checks import checked  # noqa: PLC0415  it takes this value apart

    return replace(result, checks=tuple(checked(result, family, counts, spared, seed)))


def _bpe(family: Family) -> Family:
    if "merges" not in family.file.document["model"]:
        raise TokenizerError(
            found=f"{family.file.name}, a {family.name} tokenizer",
            expected="a BPE tokenizer, whose leaves can go without touching other text",
            do="extend it instead: its new tokens get ids of their own",
        )
    return family


def _unused(family: Family, words: Words, spared: Words, held: Collection[int]) -> Iterable[Leaf]:
    size = family.file.size
    used = words.occurrences(size)
    elsewhere = spared.occurrences(size)
    numbers = {number: int(elsewhere[number]) for number in elsewhere.nonzero()[0].tolist()}
    return leaves(family.file, {*used.nonzero()[0].tolist(), *held}, numbers)


def _learned(family: Family, words: Words, gone: Sequence[Leaf], min_count: int) -> list[Merge]:
    entries = list(family.file.tokens)
    lone = np.zeros(family.file.size, bool)
    lone[list(family.byte_tokens)] = True
    for leaf in gone:
        entries[leaf.id] = None
    if not gone:
        return []
    return learn_merges(
        words.cut_at(lone).several_ids(), entries, len(gone), min_count=min_count, join=family.join
    ).merges


def _require_some(chosen: Sequence[Leaf], merges: Sequence[Merge], distinct: int) -> None:
    if not merges:
        missing = "no pair of tokens that comes again" if chosen else "no token that it never uses and no rule joins"
        raise CorpusError(
            found=f"a corpus of {distinct} distinct pre-tokens with {missing}",
            expected="text of a domain that the tokenizer splits, and that leaves tokens unused",
            do="give text of one domain",
        )


def _assembled(family: Family, gone: Sequence[Leaf], merges: Sequence[Merge]) -> TokenizerFile:
    """The document without the rules of what goes, and with the new tokens on the freed ids."""
    document, size = family.file.document, family.file.size
    model = document["model"]
    dropped = {place for leaf in gone for place in leaf.rules}
    freed = {leaf.token for leaf in gone}
    numbers = _places(size, gone, merges)
    spellings = {number: token for token, number in family.file.ids.items() if token not in freed}
    spellings |= {numbers[merge.id]: merge.token for merge in merges}
    vocabulary = {token: number for token, number in model["vocab"].items() if token not in freed}
    vocabulary |= {merge.token: numbers[merge.id] for merge in merges}
    rules = [
        (spellings[numbers.get(merge.left, merge.left)], spellings[numbers.get(merge.right, merge.right)])
        for merge in merges
    ]
    old = [rule for place, rule in enumerate(model["merges"]) if place not in dropped]
    written = [" ".join(rule) for rule in rules] if old and isinstance(old[0], str) else [list(rule) for rule in rules]
    changed = {**document, "model": {**model, "vocab": vocabulary, "merges": [*old, *written]}}
    pinned = {**changed["model"], "vocab": pinned_vocabulary(changed, size)}
    models = replaced_models(family.file, {numbers[merge.id]: merge.token for merge in merges})
    return family.file.replaced({**changed, "model": pinned}, portable_config(family.file.config), models)


def _places(size: int, gone: Sequence[Leaf], merges: Sequence[Merge]) -> dict[int, int]:
    """The freed id of each new token, by the number that the learner gave it."""
    assert [merge.id for merge in merges] == list(range(size, size + len(merges))), "numbered one after the other"
    return {merge.id: leaf.id for merge, leaf in zip(merges, gone, strict=False)}


def _replaced(
    base: TokenizerFile, pruned: TokenizerFile, gone: Sequence[Leaf], merges: Sequence[Merge]
) -> Iterable[Replaced]:
    alone = family_of(pruned).encode_entries([leaf.token for leaf in gone[: len(merges)]])
    for leaf, merge, pieces, left in zip(gone, merges, pieces_of(merges), alone, strict=False):
        yield Replaced(
            id=leaf.id,
            gone=leaf.token,
            gone_bytes=base.token_bytes(leaf.id),
            gone_pieces=tuple(left),
            used=leaf.used,
            token=merge.token,
            bytes=pruned.token_bytes(leaf.id),
            pieces=pieces,
            count=merge.count,
        )


def read_pruned(folder: str | Path) -> list[Mapping[str, Any]]:
    """What `save` wrote into `pruned.jsonl`."""
    return [json.loads(line) for line in (Path(folder) / PRUNED).read_text(encoding="utf-8").splitlines()]
