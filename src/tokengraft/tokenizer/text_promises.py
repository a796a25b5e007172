"""What must hold for every text, tried on as many as are given."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from jaxtyping import Int

from tokengraft.progress import watch
from tokengraft.tokenizer.extended import ExtendedTokenizer
from tokengraft.tokenizer.promises import KEPT, CheckResult

BATCH = 256
"""Texts encoded in one call."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A text under both tokenizers: ids, and what they decode to."""

    text: str
    base: list[int]
    extended: list[int]
    base_decoded: str
    extended_decoded: str


Promise = Callable[[ExtendedTokenizer, Probe], bool]


def pieces_are_base(extended: ExtendedTokenizer, probe: Probe) -> bool:
    """The equation: flatmap(D, encode_extended(x)) == encode_base(x)."""
    pieces = extended.decomposition.flatten(np.asarray(probe.extended, np.int64))
    return pieces.tolist() == probe.base


def never_longer(_: ExtendedTokenizer, probe: Probe) -> bool:
    """No text takes more tokens than before."""
    return len(probe.extended) <= len(probe.base)


def decodes_alike(_: ExtendedTokenizer, probe: Probe) -> bool:
    """Decoding gives what it gave before, be it the text itself or what the base makes of it."""
    return probe.base_decoded == probe.extended_decoded


def other_text_unchanged(extended: ExtendedTokenizer, probe: Probe) -> bool:
    """A text without new tokens keeps its ids."""
    return max(probe.extended, default=0) >= extended.base_size or probe.base == probe.extended


IN_CONTEXT = "new tokens occur in context"
GUARD = "guard text keeps its tokens"

TEXT_PROMISES: dict[str, Promise] = {
    "pieces are the base's encoding": pieces_are_base,
    "no text is longer": never_longer,
    "decodes as the base does": decodes_alike,
    "text without new tokens is unchanged": other_text_unchanged,
}


@dataclass(slots=True)
class Tally:
    """How often a promise was broken, and by which texts."""

    failures_in: Counter[str] = field(default_factory=Counter)
    """By source."""
    evidence: list[str] = field(default_factory=list)

    @property
    def failures(self) -> int:
        """In all sources."""
        return self.failures_in.total()

    def note(self, source: str, text: str) -> None:
        """One more text that breaks it."""
        self.failures_in[source] += 1
        if len(self.evidence) < KEPT:
            self.evidence.append(repr(text[:120]))


class Guard:
    """How many of the base's tokens stand in guard text as they stood: the same id over the same bytes."""

    def __init__(self, extended: ExtendedTokenizer) -> None:
        self._size = extended.size
        file = extended.base
        own = [0 if token is None else len(file.token_bytes(number)) for number, token in enumerate(file.tokens)]
        new = [sum(own[piece] for piece in token.pieces) for token in extended.new_tokens]
        self._lengths = np.array([*own, *new], np.int64)
        self.texts = self.tokens = self.kept = 0

    def add(self, probe: Probe) -> None:
        """One more text."""
        base, extended = (self._places(ids) for ids in (probe.base, probe.extended))
        self.texts += 1
        self.tokens += len(base)
        self.kept += len(np.intersect1d(base, extended))

    def _places(self, ids: Sequence[int]) -> Int[np.ndarray, " ids"]:
        """One number for where a token begins and which it is."""
        numbers = np.asarray(ids, np.int64)
        lengths = self._lengths[numbers]
        return (np.cumsum(lengths) - lengths) * self._size + numbers

    def result(self, least: float) -> CheckResult:
        """The share that stayed; it fails below `least` or without any text, and is only measured where that is 0."""
        if not self.texts:
            return CheckResult(GUARD, not least, "no guard text was given")
        share = self.kept / self.tokens if self.tokens else 1.0
        detail = f"{share:.2%} of {self.tokens} tokens of {self.texts} general texts stay as they are"
        return CheckResult(GUARD, share >= least, detail, (), measured=not least)


def check_texts(
    extended: ExtendedTokenizer,
    sources: Mapping[str, Iterable[str]],
    *,
    measured: bool = False,
    guard_share: float = 0.0,
) -> list[CheckResult]:
    """The promises tried on each text of each named source, and how many new tokens occur in the source `domain`.

    `measured`: no theorem stands behind them for this family, and the results say so. `guard_share` of the base's
    tokens of the source `general` must stay as they are; 0: how many do is only measured.
    """
    tallies = {name: Tally() for name in TEXT_PROMISES}
    tried = dict.fromkeys(sources, 0)
    seen = np.zeros(len(extended.new_tokens), bool)
    guard = Guard(extended)
    texts = ((source, text) for source, several in sources.items() for text in several)
    for source, probe in watch(_probes(extended, texts), "checking promises", "text"):
        tried[source] += 1
        for name, holds in TEXT_PROMISES.items():
            if not holds(extended, probe):
                tallies[name].note(source, probe.text)
        if source == "domain":
            seen[[number - extended.base_size for number in probe.extended if number >= extended.base_size]] = True
        if source == "general":
            guard.add(probe)
    return [
        *_text_results(tallies, tried, measured=measured),
        _in_context(seen, tried.get("domain", 0)),
        guard.result(guard_share),
    ]


def _probes(extended: ExtendedTokenizer, texts: Iterator[tuple[str, str]]) -> Iterator[tuple[str, Probe]]:
    base, new = extended.base.tokenizer, extended.file.tokenizer
    while batch := list(islice(texts, BATCH)):
        own = [text for _, text in batch]
        base_ids, new_ids = extended.base.encode(own), extended.encode(own)
        decoded = base.decode_batch(base_ids, skip_special_tokens=False)
        new_decoded = new.decode_batch(new_ids, skip_special_tokens=False)
        for index, (source, text) in enumerate(batch):
            yield source, Probe(text, base_ids[index], new_ids[index], decoded[index], new_decoded[index])


def _text_results(tallies: Mapping[str, Tally], tried: Mapping[str, int], *, measured: bool) -> Iterator[CheckResult]:
    amount = ", ".join(f"{number} {source}" for source, number in tried.items())
    for name, tally in tallies.items():
        detail = f"{tally.failures} of {sum(tried.values())} texts fail ({amount})"
        if measured:
            by_source = ", ".join(
                f"{tally.failures_in.get(source, 0)} of {number} {source}" for source, number in tried.items()
            )
            detail = f"measured, not proved: {by_source} texts differ"
        yield CheckResult(name, not tally.failures, detail, tuple(tally.evidence), measured)


def _in_context(seen: np.ndarray, documents: int) -> CheckResult:
    """New tokens that come up in real text; none at all would mean that they cannot."""
    detail = f"{int(seen.sum())} of {len(seen)} new tokens occur in {documents} domain texts"
    return CheckResult(IN_CONTEXT, bool(seen.any()) or not documents, detail)
