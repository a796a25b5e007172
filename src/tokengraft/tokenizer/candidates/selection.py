"""Fewer tokens out of many: what is worth least goes first, and never what another token is made of.

A token that no other is made of is a leaf. Without it, its occurrences are those of its two parts; so the worth of what
is left is known without encoding anew, up to longer tokens that its parts may go into: these only save more. A method
proposes more than are asked for, and gives back the leaves.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int

from tokengraft.tokenizer.candidates import Choice, Demand
from tokengraft.tokenizer.families import Family, family_of
from tokengraft.tokenizer.merging import WHOLE, Merge
from tokengraft.tokenizer.scorers import Exposure
from tokengraft.tokenizer.spelling import spelling_of
from tokengraft.tokenizer.tokens import Reject

POOL = 2
"""Tokens proposed for each that is asked for, where a scorer or an exposure chooses among them."""


def pool_size(demand: Demand) -> int:
    """How many tokens a method should propose."""
    return demand.size if _is_plain(demand) else POOL * demand.size


def _is_plain(demand: Demand) -> bool:
    """Whether the most frequent are wanted, which is the order of learning."""
    return demand.scorer == "count" and not demand.min_exposure


def selected(family: Family, counts: dict[str, int], proposed: Sequence[Merge], demand: Demand) -> Choice:
    """At most `demand.size` of the proposed merges, with a reject for each that went.

    Raises:
        ConfigError: the scorer needs a reference corpus, and there is none.
    """
    if _is_plain(demand) or not proposed:
        return Choice(list(proposed))
    pool = _Pool(family, counts, proposed, demand)
    gone = list(pool.pruned())
    spelling = spelling_of(family.file.document)
    rejects = [
        Reject(merge.token, spelling(merge.token), (merge.left, merge.right), merge.count, reason)
        for merge, reason in gone
    ]
    dropped = {merge.id for merge, _ in gone}
    kept = renumbered(proposed, lambda merge: merge.id not in dropped, family.file.size)
    return Choice(kept, rejects, stopped=_stopped(demand))


def _stopped(demand: Demand) -> str:
    return (
        f"the corpus holds no further token that occurs {max(demand.min_count, demand.min_exposure)} times for itself"
    )


def renumbered(merges: Sequence[Merge], keep: Callable[[Merge], bool], size: int) -> list[Merge]:
    """The merges that are kept, their ids from `size` on without a gap; each finds its parts among them.

    >>> pool = [Merge(0, 1, 5, "ab", 9), Merge(2, 3, 6, "cd", 8), Merge(5, 4, 7, "abe", 7)]
    >>> [(merge.left, merge.id) for merge in renumbered(pool, lambda merge: merge.token != "cd", 5)]
    [(0, 5), (5, 6)]
    """
    numbers: dict[int, int] = {}
    kept: list[Merge] = []
    for merge in filter(keep, merges):
        numbers[merge.id] = size + len(kept)
        left, right = (numbers.get(part, part) for part in (merge.left, merge.right))
        assert max(left, right) < numbers[merge.id], "what a token is made of is kept"
        kept.append(replace(merge, left=left, right=right, id=numbers[merge.id]))
    return kept


@dataclass(frozen=True, slots=True)
class _Uses:
    """How often each id occurs in a corpus that is encoded with all proposed tokens, and its base tokens."""

    of: Int[np.ndarray, " ids"]
    tokens: int

    @classmethod
    def counted(cls, family: Family, extended: Family, counts: dict[str, int], size: int) -> "_Uses":
        return cls(extended.words(counts).occurrences(size), family.words(counts).total)


class _Pool:
    """The proposed tokens, from which leaves go."""

    def __init__(self, family: Family, counts: dict[str, int], proposed: Sequence[Merge], demand: Demand) -> None:
        extended = family_of(family.extended(list(proposed)))
        size = family.file.size + len(proposed)
        self._domain = _Uses.counted(family, extended, counts, size)
        reference = demand.reference
        self._reference = None if reference is None else _Uses.counted(family, extended, dict(reference), size)
        self._demand = demand
        self._merges = {merge.id: merge for merge in proposed}
        self._parts = _parts(extended, proposed)
        self._users = Counter(part for merge in proposed for part in {merge.left, merge.right})

    def pruned(self) -> Iterator[tuple[Merge, str]]:
        """The merges that go, with the reason, until the rest is what is asked for; of equals the youngest first.

        When a leaf goes, what is left is used more; an entry of the heap is brought up to date when it comes first.
        """
        heap = [self._entry(merge) for merge in self._merges.values() if not self._users[merge.id]]
        heapq.heapify(heap)
        while heap:
            exposed, score, younger = heap[0]
            merge = self._merges[-younger]
            if (now := self._entry(merge)) != heap[0]:
                heapq.heapreplace(heap, now)
                continue
            if exposed and len(self._merges) <= self._demand.size:
                return
            heapq.heappop(heap)
            yield merge, self._reason(merge, score, exposed=exposed)
            for part in self._drop(merge):
                heapq.heappush(heap, self._entry(self._merges[part]))

    def _entry(self, merge: Merge) -> tuple[bool, float, int]:
        """What goes first: what is seen too seldom, then what is worth least, then what came last."""
        uses = int(self._domain.of[merge.id])
        exposure = Exposure(merge.count, uses, uses * (len(self._standing(merge.id)) - 1), self._domain.tokens)
        if self._reference is not None:
            exposure = replace(
                exposure, reference_uses=int(self._reference.of[merge.id]), reference_tokens=self._reference.tokens
            )
        return uses >= self._demand.min_exposure, self._demand.score(exposure), -merge.id

    def _standing(self, number: int) -> list[int]:
        """What would stand in the token's place without it, of the tokens that are left."""
        found: list[int] = []
        for part in self._parts[number]:
            found += self._standing(part) if part in self._parts and part not in self._merges else [part]
        return found

    def _reason(self, merge: Merge, score: float, *, exposed: bool) -> str:
        if not exposed:
            return f"{self._domain.of[merge.id]} occurrences for itself, fewer than {self._demand.min_exposure}"
        return f"{self._demand.scorer} {score:.6g}: not among the {self._demand.size} best"

    def _drop(self, merge: Merge) -> Iterator[int]:
        """Takes a leaf away, and gives those of its parts that are leaves now."""
        standing = self._standing(merge.id)
        del self._merges[merge.id]
        for uses in filter(None, (self._domain, self._reference)):
            np.add.at(uses.of, standing, uses.of[merge.id])
        for part in {merge.left, merge.right}:
            self._users[part] -= 1
            if part in self._merges and not self._users[part]:
                yield part


def _parts(extended: Family, proposed: Sequence[Merge]) -> dict[int, tuple[int, ...]]:
    """What stands in the place of each token without it: for a whole pre-token, what the rules make of it."""
    whole = [merge for merge in proposed if merge.kind == WHOLE]
    by_rules = extended.encode_entries([merge.token for merge in whole]) if whole else []
    parts = {merge.id: merge.pieces or (merge.left, merge.right) for merge in proposed}
    return parts | {merge.id: tuple(ids) for merge, ids in zip(whole, by_rules, strict=True)}
