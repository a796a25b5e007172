"""Entries that stand for several ids at once, with no chain of rules to them: what each would save.

Two kinds of tokenizers take such entries. One with `ignore_merges` takes a whole pre-token that is an entry; one with
byte fallback takes a character that is an entry, where it would spell it in bytes.
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Int

from tokengraft.tokenizer.merging.chains import HIDDEN, Chains, Pairs, Places
from tokengraft.tokenizer.merging.words import Words

Spell = Callable[[Sequence[int]], str]
"""From base ids to the entry of all of them."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An entry that could be made, and the base ids that it stands for."""

    entry: str
    pieces: tuple[int, ...]
    count: int
    """How often it occurs."""
    place: int
    """Of the word, or the hidden character."""


class Offers(Protocol):
    """Entries without rules, that which saves most first."""

    def best(self) -> int:
        """Tokens that the best would save now; 0 where there is none."""
        ...

    def pop(self) -> Offer:
        """The best; it leaves."""
        ...

    def take(self, offer: Offer, number: int) -> tuple[Pairs, Pairs]:
        """(pairs that this breaks, pairs that it makes), once the entry stands wherever it can, as id `number`."""
        ...


class WholeWords:
    """Words that could be taken whole. Each saves all but one of the tokens that it is of now."""

    def __init__(self, words: Words, chains: Chains, min_count: int, spell: Spell) -> None:
        self._words, self._chains, self._spell = words, chains, spell
        self._ends = np.cumsum(words.lengths)
        self._starts = self._ends - words.lengths
        saved = words.counts * (words.lengths - 1)
        rows = np.flatnonzero((words.counts >= min_count) & (words.lengths > 1))
        # A word only gets shorter, so an entry of the heap may promise too much but never too little.
        self._heap = list(zip((-saved[rows]).tolist(), rows.tolist(), strict=True))
        heapq.heapify(self._heap)
        self._level, self._equals = 0, list[tuple[tuple[int, ...], int]]()
        """What the best save, and all words that save that: of equals the smallest ids are taken, whatever the order in
        which the words were counted."""

    def best(self) -> int:
        """Tokens that the best would save now."""
        while self._equals or self._heap:
            if not self._equals:
                self._next_level()
            elif (saved := self._saved(self._equals[0][1])) == self._level:
                return saved
            else:
                self._put_back(saved, heapq.heappop(self._equals)[1])
        return 0

    def _next_level(self) -> None:
        self._level = -self._heap[0][0]
        while self._heap and self._heap[0][0] == -self._level:
            row = heapq.heappop(self._heap)[1]
            if (saved := self._saved(row)) == self._level:
                heapq.heappush(self._equals, (self._pieces(row), row))
            else:
                self._put_back(saved, row)

    def _put_back(self, saved: int, row: int) -> None:
        if saved:
            heapq.heappush(self._heap, (-saved, row))

    def pop(self) -> Offer:
        """The word that saves most, with its base ids."""
        pieces, row = heapq.heappop(self._equals)
        return Offer(self._spell(pieces), pieces, int(self._words.counts[row]), row)

    def _pieces(self, row: int) -> tuple[int, ...]:
        return tuple(self._words.ids[self._starts[row] : self._ends[row]].tolist())

    def _saved(self, row: int) -> int:
        return int(self._words.counts[row]) * max(0, len(self._live(row)) - 1)

    def take(self, offer: Offer, number: int) -> tuple[Pairs, Pairs]:  # noqa: ARG002 (nothing stands beside it)
        """The word's pairs are broken, and it joins nothing more."""
        return self._chains.remove(self._live(offer.place)), Pairs.none()

    def _live(self, row: int) -> Places:
        return self._chains.standing(int(self._starts[row]), int(self._ends[row]))


class Characters:
    """Characters that the vocabulary lacks and that are spelled in bytes: hidden symbols, which join nothing."""

    def __init__(self, chains: Chains, byte_tokens: Sequence[int], min_count: int) -> None:
        self._chains, self._byte_tokens = chains, byte_tokens
        places = np.flatnonzero(chains.symbols >= HIDDEN)
        order = np.argsort(chains.symbols[places], kind="stable")
        found, starts = np.unique(chains.symbols[places][order], return_index=True)
        groups = np.split(places[order], starts[1:])
        self._places = dict(zip(found.tolist(), groups, strict=False))
        self._heap = sorted(self._counted(min_count))

    def _counted(self, min_count: int) -> Iterator[tuple[int, int]]:
        for symbol, places in self._places.items():
            count = int(self._chains.weights[places].sum())
            if count >= min_count:
                yield -count * (len(_utf8(symbol)) - 1), symbol

    def best(self) -> int:
        """Tokens that the best would save; of equals it is the character with the lower code point."""
        return -self._heap[0][0] if self._heap else 0

    def pop(self) -> Offer:
        """The character that saves most, with its byte tokens."""
        saved, symbol = heapq.heappop(self._heap)
        pieces = tuple(self._byte_tokens[byte] for byte in _utf8(symbol))
        return Offer(_utf8(symbol).decode(), pieces, -saved // (len(pieces) - 1), symbol)

    def take(self, offer: Offer, number: int) -> tuple[Pairs, Pairs]:
        """It breaks nothing, and joins its neighbours from now on."""
        return Pairs.none(), self._chains.reveal(self._places[offer.place], number)


def _utf8(symbol: int) -> bytes:
    return chr(symbol - HIDDEN).encode()


def hide_characters(words: Words, byte_tokens: Sequence[int]) -> Words:
    """The words, each character of several byte tokens as one hidden symbol.

    >>> byte_tokens = list(range(256))
    >>> hidden = hide_characters(Words.of([[300, *"é".encode(), 301], [9]], [5, 1]), byte_tokens)
    >>> (hidden.ids - HIDDEN).tolist()[1] == ord("é"), hidden.lengths.tolist()
    (True, [3, 1])
    """
    values = _bytes_of(words.ids, byte_tokens)
    size = np.select([values >= 0xF0, values >= 0xE0, values >= 0xC0], [4, 3, 2], 1)
    leads = np.flatnonzero(size > 1)
    points = values[leads] & (0xFF >> (size[leads] + 1))
    kept = np.ones(len(words.ids), bool)
    for offset in (1, 2, 3):
        longer = size[leads] > offset
        following = leads[longer] + offset
        points[longer] = points[longer] << 6 | values[following] & 0x3F
        kept[following] = False
    ids = words.ids.copy()
    ids[leads] = HIDDEN + points
    word_of = np.repeat(np.arange(len(words.lengths)), words.lengths)
    return Words(ids[kept], np.bincount(word_of[kept], minlength=len(words.lengths)), words.counts)


def _bytes_of(ids: Int[np.ndarray, " places"], byte_tokens: Sequence[int]) -> Int[np.ndarray, " places"]:
    """The byte of each byte token; 0 for all other ids."""
    table = np.zeros(max(int(ids.max(initial=0)), *byte_tokens) + 1, np.int64)
    table[np.asarray(byte_tokens)] = np.arange(len(byte_tokens))
    return table[ids]
