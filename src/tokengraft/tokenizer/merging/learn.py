"""BPE (Sennrich et al. 2016, https://arxiv.org/abs/1508.07909) continued from a given vocabulary, over counted words.

16 000 merges from the distinct pre-tokens of 110 MB of text take a few CPU seconds: each merge is a handful of numpy
calls over its own occurrences.
"""

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from tokengraft.progress import bar
from tokengraft.tokenizer.merging.chains import Chains, Standing, key_pair
from tokengraft.tokenizer.merging.pairs import PairTable
from tokengraft.tokenizer.merging.words import Words

Join = Callable[[str, str], str]
"""From two entries to the entry of both side by side."""

RefuseEntry = Callable[[str], str | None]
"""From an entry to the reason why it is not wanted; None where it may be made."""


def wanted(_: str) -> None:
    """No reason against any entry."""


@dataclass(frozen=True, slots=True)
class Merge:
    """A rule: `left right` becomes `id`, whose vocabulary entry is `token`."""

    left: int
    right: int
    id: int
    token: str
    count: int
    """How often the pair stood side by side when the rule was made."""
    pieces: tuple[int, ...] = ()
    """The base ids where they are more than the two: an entry of a tokenizer that takes entries whole, without a chain
    of rules, or one whose parts stand in different pre-tokens. Empty: those of `left` and of `right`."""


@dataclass(slots=True)
class Learned:
    """The rules in the order of their making, and the best pairs that made none."""

    merges: list[Merge] = field(default_factory=list)
    known: list[Merge] = field(default_factory=list)
    """Pairs whose result is in the vocabulary already; `id` is the entry's."""
    next: list[Merge] = field(default_factory=list)
    """Pairs that a larger size would have taken first; `id` is what the next token would get."""
    refused: list[tuple[Merge, str]] = field(default_factory=list)
    """Pairs that were not wanted, with the reason; `id` is what the token would have got."""
    rare: list[Merge] = field(default_factory=list)
    """The most frequent of the pairs below `min_count`, with their count when their tokens first met; `id` as above."""


def pieces_of(merges: Sequence[Merge]) -> list[tuple[int, ...]]:
    """The base ids of each merge's token, in the order of the merges.

    >>> pieces_of([Merge(1, 2, 10, "ab", 9), Merge(10, 3, 11, "abc", 5)])
    [(1, 2), (1, 2, 3)]
    """
    pieces: dict[int, tuple[int, ...]] = {}
    for merge in merges:
        spelled = pieces.get(merge.left, (merge.left,)) + pieces.get(merge.right, (merge.right,))
        pieces[merge.id] = merge.pieces or spelled
    return list(pieces.values())


def learn_merges(
    words: Words,
    tokens: Sequence[str | None],
    size: int,
    *,
    min_count: int = 2,
    keep_rejects: int = 50,
    join: Join = operator.add,
    refuse: RefuseEntry = wanted,
    min_saved: float = 0.0,
) -> Learned:
    """At most `size` merges, each of the pair that is most frequent after all before it; ties go to the smallest ids.

    `tokens` is the vocabulary by id, `join` makes an entry of two neighbours. A pair whose result is there already
    makes no rule, so every rule makes a token of its own; nor does one that `refuse` gives a reason against, so no
    longer token is made through it. A rule must save `min_saved` tokens, counted where it is carried out: `aaa` holds
    the pair `aa` twice and saves one. Fewer than `size` come back where no pair is left that occurs `min_count` times.

    >>> learned = learn_merges(Words.of([[0, 1, 2], [0, 1]], [3, 4]), ["a", "b", "c"], 5)
    >>> [(merge.token, merge.count) for merge in learned.merges]
    [('ab', 7), ('abc', 3)]
    """
    chains = Chains(words)
    pairs = PairTable(min_count, keep_rejects)
    pairs.add(chains.pairs())
    spellings = list(tokens)
    known = {token: number for number, token in enumerate(tokens) if token is not None}
    learned = Learned()
    with bar(size, "learning merges", "merge") as progress:
        while len(learned.merges) < size and (best := pairs.pop()) is not None:
            key, count, places = best
            merge = _merge_of(key, count, spellings, join)
            if merge.token in known:
                learned.known.append(replace(merge, id=known[merge.token]))
                continue
            if (reason := refuse(merge.token)) is not None:
                learned.refused.append((merge, reason))
                continue
            standing = chains.occurrences(places, merge.left, merge.right)
            saved = int(chains.weights[standing].sum())
            if saved < min_saved:
                learned.refused.append((merge, f"saves {saved} tokens"))
                continue
            _apply(merge, standing, chains, pairs)
            spellings.append(merge.token)
            known[merge.token] = merge.id
            learned.merges.append(merge)
            progress.update()
    _keep_rejects(learned, pairs, spellings, keep_rejects, join)
    return learned


def _apply(merge: Merge, standing: Standing, chains: Chains, pairs: PairTable) -> None:
    """Carries a rule out everywhere, and brings the table up to date."""
    broken, made = chains.merge(standing, merge.left, merge.right, merge.id)
    pairs.subtract(broken)
    pairs.add(made)


def _keep_rejects(
    learned: Learned, pairs: PairTable, spellings: Sequence[str | None], at_most: int, join: Join
) -> None:
    known = set(spellings)
    upcoming = [_merge_of(key, count, spellings, join) for key, count in _upcoming(pairs, at_most)]
    rare = [_merge_of(key, count, spellings, join) for count, key in sorted(pairs.rare, reverse=True)]
    learned.known = learned.known[:at_most]
    learned.next = [merge for merge in upcoming if merge.token not in known]
    learned.rare = [merge for merge in rare if merge.token not in known]


def _merge_of(key: int, count: int, spellings: Sequence[str | None], join: Join) -> Merge:
    left, right = key_pair(key)
    first, second = spellings[left], spellings[right]
    assert first is not None, "words hold ids of the vocabulary"
    assert second is not None, "words hold ids of the vocabulary"
    return Merge(left, right, len(spellings), join(first, second), count)


def _upcoming(pairs: PairTable, at_most: int) -> Iterator[tuple[int, int]]:
    """(key, count) of the pairs at the top of the table; it is used up by this."""
    for _ in range(at_most):
        best = pairs.pop()
        if best is None:
            return
        yield best[0], best[1]
