"""The base's own training goes on, on the domain."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import ceil

from tokengraft.tokenizer.candidates import Choice, Demand, methods
from tokengraft.tokenizer.candidates.selection import pool_size, selected
from tokengraft.tokenizer.families import Family
from tokengraft.tokenizer.merging import Learned, Merge, Words, learn_merges
from tokengraft.tokenizer.spelling import spelling_of
from tokengraft.tokenizer.tokens import Reject


@methods.register(
    "continued-bpe", paper="Sennrich et al. 2016, https://arxiv.org/abs/1508.07909, continued from the base"
)
def continued_bpe(family: Family, counts: Mapping[str, int], demand: Demand) -> Choice:
    """The most frequent pair of neighbouring tokens becomes a token, again and again, after the base's merges."""
    words = family.words(counts)
    learned = learn(family, words, demand)
    choice = selected(family, dict(counts), learned.merges, demand)
    stopped = choice.stopped if demand.gain is None else f"no further token saves {demand.gain:g} per million tokens"
    return replace(choice, rejects=[*choice.rejects, *rejects_of(family, learned, demand)], stopped=stopped)


def learn(family: Family, words: Words, demand: Demand) -> Learned:
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
