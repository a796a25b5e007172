"""BPE (Sennrich et al. 2016, https://arxiv.org/abs/1508.07909) continued from a given vocabulary, over counted words.

16 000 merges from the distinct pre-tokens of 110 MB of text take a few CPU seconds: each merge is a handful of numpy
calls over its own occurrences.
"""

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

from tokengraft.progress import bar
from tokengraft.tokenizer.merging.chains import Chains, Places, Standing, key_pair
from tokengraft.tokenizer.merging.offers import Characters, Offer, Offers, WholeWords, hide_characters
from tokengraft.tokenizer.merging.pairs import PairTable
from tokengraft.tokenizer.merging.words import Words
from tokengraft.tokenizer.tokens import CHARACTER, WHOLE

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
    kind: str = ""
    """What the entry is, where no rule makes it: `WHOLE`, `CHARACTER` or a method's own word."""


@dataclass(frozen=True, slots=True)
class Unruled:
    """Entries that need no rules, where a tokenizer takes such."""

    whole: RefuseEntry | None = None
    """Against a whole pre-token, which `ignore_merges` finds; None: none can be taken."""
    least: int = 2
    """Occurrences that a whole pre-token must have."""
    byte_tokens: Sequence[int] = ()
    """The ids of the 256 bytes, where characters that have no entry are spelled with them."""


@dataclass(slots=True)
class Learned:
    """The rules in the order of their making, entries without rules among them, and the best pairs that made none."""

    merges: list[Merge] = field(default_factory=list)
    """Whole pre-tokens stand last: nothing is made of them."""
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
    unruled: Unruled | None = None,
) -> Learned:
    """At most `size` merges, each of the pair that is most frequent after all before it; ties go to the smallest ids.

    `tokens` is the vocabulary by id, `join` makes an entry of two neighbours. A pair whose result is there already
    makes no rule, so every rule makes a token of its own; nor does one that `refuse` gives a reason against, so no
    longer token is made through it. A rule must save `min_saved` tokens, counted where it is carried out: `aaa` holds
    the pair `aa` twice and saves one. Fewer than `size` come back where no pair is left that occurs `min_count` times.
    Where the tokenizer takes entries without rules (`unruled`), the next is such an entry if that saves more.

    >>> learned = learn_merges(Words.of([[0, 1, 2], [0, 1]], [3, 4]), ["a", "b", "c"], 5)
    >>> [(merge.token, merge.count) for merge in learned.merges]
    [('ab', 7), ('abc', 3)]
    """
    learning = _Learning(
        words,
        tokens,
        min_count=min_count,
        keep_rejects=keep_rejects,
        join=join,
        refuse=refuse,
        min_saved=min_saved,
        unruled=unruled or Unruled(),
    )
    with bar(size, "learning merges", "merge") as progress:
        while learning.made < size and learning.step():
            progress.update(learning.made - progress.n)
    return learning.finished()


class _Learning:
    """The state of all words between two steps."""

    def __init__(
        self,
        words: Words,
        tokens: Sequence[str | None],
        *,
        min_count: int,
        keep_rejects: int,
        join: Join,
        refuse: RefuseEntry,
        min_saved: float,
        unruled: Unruled,
    ) -> None:
        self._join, self._refuse, self._min_saved, self._keep = join, refuse, min_saved, keep_rejects
        self._spellings = list(tokens)
        self._known = {token: number for number, token in enumerate(tokens) if token is not None}
        if unruled.byte_tokens:
            words = hide_characters(words, unruled.byte_tokens)
        self._chains = Chains(words)
        self._pairs = PairTable(min_count, keep_rejects)
        self._pairs.add(self._chains.pairs())
        self._unruled = unruled
        self._offers = self._offered(words, min_count)
        self._whole: dict[str, Offer] = {}
        """Pre-tokens that are taken whole, by their entry."""
        self._learned = Learned()

    @property
    def made(self) -> int:
        """Entries so far."""
        return len(self._learned.merges) + len(self._whole)

    def _offered(self, words: Words, min_count: int) -> Offers | None:
        if self._unruled.byte_tokens:
            return Characters(self._chains, self._unruled.byte_tokens, min_count)
        if self._unruled.whole is not None:
            return WholeWords(words, self._chains, max(min_count, self._unruled.least), self._spelled)
        return None

    def _spelled(self, ids: Sequence[int]) -> str:
        return reduce(self._join, (str(self._spellings[number]) for number in ids))

    def step(self) -> bool:
        """Whether there was a candidate still: it was made, or noted with the reason why not."""
        offered = 0 if self._offers is None else self._offers.best()
        # Of equals the rule: it stands in other words too, those to come among them.
        if self._offers is not None and offered > self._pairs.best():
            return self._take(self._offers, self._offers.pop(), offered)
        best = self._pairs.pop()
        return best is not None and self._merge(*best)

    def _merge(self, key: int, count: int, places: Places) -> bool:
        merge = _merge_of(key, count, self._spellings, self._join)
        if merge.token in self._known and merge.token not in self._whole:
            self._learned.known.append(replace(merge, id=self._known[merge.token]))
            return True
        if (reason := self._refuse(merge.token)) is not None:
            self._learned.refused.append((merge, reason))
            return True
        standing = self._chains.occurrences(places, merge.left, merge.right)
        saved = int(self._chains.weights[standing].sum())
        if saved < self._min_saved:
            self._learned.refused.append((merge, f"saves {saved} tokens"))
            return True
        # What is a whole pre-token so far becomes a token in other words too, at no cost: its entry is there.
        self._whole.pop(merge.token, None)
        self._apply(merge, standing)
        self._add(merge)
        return True

    def _take(self, offers: Offers, offer: Offer, saved: int) -> bool:
        whole = self._unruled.whole
        kind = CHARACTER if whole is None else WHOLE
        merge = Merge(
            offer.pieces[0], offer.pieces[-1], len(self._spellings), offer.entry, offer.count, offer.pieces, kind
        )
        reason = self._refuse(offer.entry) or (whole(offer.entry) if whole else None)
        if reason is None and saved < self._min_saved:
            reason = f"saves {saved} tokens"
        if offer.entry in self._known:
            self._learned.known.append(replace(merge, id=self._known[offer.entry]))
        elif reason is not None:
            self._learned.refused.append((merge, reason))
        else:
            broken, made = offers.take(offer, merge.id)
            self._pairs.subtract(broken)
            self._pairs.add(made)
            if kind == WHOLE:
                self._whole[offer.entry] = offer
                self._known[offer.entry] = merge.id
            else:
                self._add(merge)
        return True

    def _apply(self, merge: Merge, standing: Standing) -> None:
        """Carries a rule out everywhere, and brings the table up to date."""
        broken, made = self._chains.merge(standing, merge.left, merge.right, merge.id)
        self._pairs.subtract(broken)
        self._pairs.add(made)

    def _add(self, merge: Merge) -> None:
        self._spellings.append(merge.token)
        self._known[merge.token] = merge.id
        self._learned.merges.append(merge)

    def finished(self) -> Learned:
        """Everything that was made, with ids that follow the base's, and the best of what was not."""
        first = len(self._spellings)
        self._learned.merges += [
            Merge(offer.pieces[0], offer.pieces[-1], first + place, offer.entry, offer.count, offer.pieces, WHOLE)
            for place, offer in enumerate(self._whole.values())
        ]
        _keep_rejects(self._learned, self._pairs, [*self._spellings, *self._whole], self._keep, self._join)
        return self._learned


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
