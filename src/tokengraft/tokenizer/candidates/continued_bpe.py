"""The base's own training goes on, on the domain."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from math import ceil

from tokengraft.tokenizer.candidates import Choice, Demand, methods
from tokengraft.tokenizer.candidates.selection import pool_size, selected
from tokengraft.tokenizer.families import Family
from tokengraft.tokenizer.merging import Learned, Merge, Unruled, Words, learn_merges
from tokengraft.tokenizer.spelling import spelling_of
from tokengraft.tokenizer.tokens import Reject


@methods.register(
    "continued-bpe", paper="Sennrich et al. 2016, https://arxiv.org/abs/1508.07909, continued from the base"
)
def continued_bpe(family: Family, counts: Mapping[str, int], demand: Demand) -> Choice:
    """The most frequent pair of neighbouring tokens becomes a token, again and again, after the base's merges.

    Where the tokenizer takes a whole pre-token that is an entry (`ignore_merges`), or could have a character that it
    spells in bytes, the next token is such an entry if that saves more than the pair.
    """
    words = family.words(counts)
    learned = learn_all(family, words, demand)
    choice = selected(family, dict(counts), learned.merges, demand)
    stopped = choice.stopped if demand.gain is None else f"no further token saves {demand.gain:g} per million tokens"
    return replace(choice, rejects=[*choice.rejects, *rejects_of(family, learned, demand)], stopped=stopped)


MORE = (0, 1, 2, 4, 8)
"""How much oftener than a pair a whole pre-token must occur, in the order of trying."""


def learn_all(family: Family, words: Words, demand: Demand) -> Learned:
    """What the base's merges go on to, with whole pre-tokens where the tokenizer takes such.

    A rule serves words that are still to come, a whole pre-token no other. So it has to be the more frequent, the less
    of a choice the corpus leaves: until as many tokens are found as are asked for, or there are rules alone.
    """
    if not family.whole:
        return learn(family, words, demand)
    for more in MORE:
        unruled = Unruled(_standing_alone(family), demand.min_count + more)
        learned = learn(family, words, demand, unruled)
        if len(learned.merges) == pool_size(demand) or demand.gain is not None:
            return learned
    return learn(family, words, demand)


def _standing_alone(family: Family) -> Callable[[str], str | None]:
    """Why a pre-token cannot be taken whole: alone it would be cut, so it could not be tried alone."""
    split, spelling = family.splitter(), spelling_of(family.file.document)

    def fault(entry: str) -> str | None:
        text = spelling(entry).decode("utf-8")
        return None if split(text) == [text] else "is a pre-token beside other text alone"

    return fault


def learn(family: Family, words: Words, demand: Demand, unruled: Unruled | None = None) -> Learned:
    """What the base's merges go on to, over these words, as far as the demand lets them."""
    spelling = spelling_of(family.file.document)
    least = (demand.gain or 0.0) * words.total / 1e6
    return learn_merges(
        words.several_ids(),
        family.file.tokens,
        pool_size(demand),
        # No pair saves more than it occurs, so the rarer ones need not be looked at.
        min_count=max(demand.min_count, ceil(least)),
        join=family.join,
        refuse=lambda entry: demand.refuse(spelling(entry)),
        min_saved=least,
        unruled=unruled or Unruled(byte_tokens=family.byte_tokens),
    )


def rejects_of(family: Family, learned: Learned, demand: Demand) -> Iterator[Reject]:
    """Each pair that made no token, with the reason."""
    spelling = spelling_of(family.file.document)

    def reject(merge: Merge, reason: str) -> Reject:
        return Reject(merge.token, spelling(merge.token), (merge.left, merge.right), merge.count, reason)

    for merge, reason in learned.refused:
        yield reject(merge, reason)
    for merge in learned.known:
        yield reject(merge, f"already in the vocabulary as id {merge.id}, made of other pieces")
    for merge in learned.next:
        yield reject(merge, f"not among the {len(learned.merges)} most frequent")
    least = "the gain asked for" if demand.gain is not None else f"{demand.min_count}"
    for merge in learned.rare:
        yield reject(merge, f"{merge.count} occurrences, fewer than {least}")
