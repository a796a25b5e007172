"""Rules that make given entries, each after all rules before it.

A new rule may only make a token that is new: one that makes an old token would bring old tokens together and old rules
to life again. So a chain of rules from the pieces of a word to the word exists where its steps can be ordered such that
no step's result is in the vocabulary.
"""

import operator
from collections.abc import Sequence
from itertools import pairwise

from tokengraft.tokenizer.merging.learn import Join, Merge

Ids = tuple[int, ...]

TRIED = 2000
"""Steps of the search for a chain; words of ten pieces need a few dozen."""


class Composer:
    """Makes entries of their pieces one by one. Rules stand in the order of their making, as BPE applies them.

    >>> composer = Composer(["a", "b", "c", "ab"])
    >>> composer.compose((0, 1, 2), 9), [merge.token for merge in composer.merges]
    (None, ['bc', 'abc'])
    """

    def __init__(self, tokens: Sequence[str | None], join: Join = operator.add) -> None:
        self.merges: list[Merge] = []
        self._join = join
        self._spellings = list(tokens)
        self._known = {token: number for number, token in enumerate(tokens) if token is not None}
        self._rules: dict[tuple[int, int], int] = {}

    def compose(self, pieces: Sequence[int], count: int, room: int | None = None) -> str | None:
        """The reason why no chain makes one token of `pieces`, the base's own encoding; None where it does now.

        Steps that earlier words have in common with it are shared. `room`: the most new tokens that it may take.
        """
        standing = self.encode(pieces)
        chain = self._chain(standing)
        if chain is None:
            return self._obstacle(standing)
        if room is not None and len(chain) > room:
            return f"needs {len(chain)} new tokens where room is left for {room}"
        for left, right in chain:
            self._add(left, right, count)
        return None

    def encode(self, pieces: Sequence[int]) -> Ids:
        """Base ids with the new rules applied, the earliest first, each from the left."""
        ids = tuple(pieces)
        while len(ids) > 1:
            rules = [(self._rules[pair], pair) for pair in pairwise(ids) if pair in self._rules]
            if not rules:
                break
            number, pair = min(rules)
            ids = _applied(ids, pair, number)
        return ids

    def _chain(self, standing: Ids) -> list[tuple[int, int]] | None:
        """Pairs to merge one after the other until one token stands; None: no order of them does.

        Ids of steps not made yet are counted up from the next one, as `_add` will do.
        """
        budget = TRIED

        def search(ids: Ids, made: tuple[str, ...]) -> list[tuple[int, int]] | None:
            nonlocal budget
            if len(ids) == 1:
                return []
            for pair in dict.fromkeys(pairwise(ids)):
                budget -= 1
                token = self._joined(pair, made)
                if budget < 0 or token in self._known or token in made:
                    continue
                rest = search(_applied(ids, pair, len(self._spellings) + len(made)), (*made, token))
                if rest is not None:
                    return [pair, *rest]
            return None

        return search(standing, ())

    def _joined(self, pair: tuple[int, int], made: Sequence[str] = ()) -> str:
        """The entry of two neighbours; `made` are steps that are only thought of."""
        known = len(self._spellings)
        left, right = (made[number - known] if number >= known else self._spellings[number] for number in pair)
        assert left is not None, "pieces are ids in use"
        assert right is not None, "pieces are ids in use"
        return self._join(left, right)

    def _obstacle(self, standing: Ids) -> str:
        whole = str(self._spellings[standing[0]])
        for number in standing[1:]:
            whole = self._join(whole, str(self._spellings[number]))
        if whole in self._known:
            return f"already in the vocabulary as id {self._known[whole]}, which no merge reaches"
        steps = ", ".join(repr(self._joined(pair)) for pair in pairwise(standing))
        return f"every chain of merges passes a token that the vocabulary has already (first steps: {steps})"

    def _add(self, left: int, right: int, count: int) -> None:
        token = self._joined((left, right))
        number = len(self._spellings)
        self.merges.append(Merge(left, right, number, token, count))
        self._rules[left, right] = number
        self._known[token] = number
        self._spellings.append(token)


def _applied(ids: Ids, pair: tuple[int, int], number: int) -> Ids:
    """`pair` merged wherever it stands, from the left."""
    merged: list[int] = []
    place = 0
    while place < len(ids):
        if ids[place : place + 2] == pair:
            merged.append(number)
            place += 2
        else:
            merged.append(ids[place])
            place += 1
    return tuple(merged)
