"""Tokens that can leave a BPE vocabulary without touching text that does not use them.

A leaf is a token that no rule joins to anything. Once made it stays, so a text whose encoding does not hold it never
made it: without its rules such a text encodes as before. When a leaf goes, its parts may become leaves.
"""

import heapq
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tokengraft.tokenizer.consistency import merge_pairs
from tokengraft.tokenizer.file import TokenizerFile


@dataclass(frozen=True, slots=True)
class Leaf:
    """A token that can go, with the rules that make it."""

    id: int
    token: str
    rules: tuple[int, ...]
    """Places in the list of merges."""
    used: int
    """How often the text that should be spared uses it."""


class Rules:
    """The merges of a BPE document, as far as they have not been given up."""

    def __init__(self, file: TokenizerFile) -> None:
        self.pairs = merge_pairs(file.document)
        self.making: dict[str, list[int]] = {}
        self.joined: Counter[str] = Counter()
        for place, (left, right) in enumerate(self.pairs):
            self.making.setdefault(left + right, []).append(place)
            self.joined.update((left, right))

    def is_leaf(self, token: str) -> bool:
        """Whether a rule makes it and none joins it."""
        return token in self.making and not self.joined[token]

    def give_up(self, token: str) -> tuple[tuple[int, ...], set[str]]:
        """(places of its rules, tokens that they joined)."""
        places = tuple(self.making.pop(token))
        parts = [part for place in places for part in self.pairs[place]]
        self.joined.subtract(parts)
        return places, set(parts)


def leaves(file: TokenizerFile, kept: Collection[int], spared: Mapping[int, int]) -> Iterator[Leaf]:
    """Tokens that can go one after the other, none of `kept`, those first that `spared` uses least, then the youngest.

    Bytes and single characters are made by no rule and so are never among them; added tokens never are.
    """
    rules, held = Rules(file), {*kept, *(token["id"] for token in file.added_tokens)}

    def entry(token: str) -> tuple[int, int, str]:
        return spared.get(file.vocabulary[token], 0), -rules.making[token][0], token

    def can_go(tokens: Collection[str]) -> Sequence[str]:
        return [token for token in tokens if rules.is_leaf(token) and file.vocabulary[token] not in held]

    heap = [entry(token) for token in can_go(list(rules.making))]
    heapq.heapify(heap)
    while heap:
        used, _, token = heapq.heappop(heap)
        places, parts = rules.give_up(token)
        yield Leaf(file.vocabulary[token], token, places, used)
        for part in can_go(parts):
            heapq.heappush(heap, entry(part))
