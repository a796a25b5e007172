"""The base's own training goes on, on the domain."""

from collections.abc import Iterator, Mapping

from tokengraft.tokenizer.candidates import Choice, Demand, methods
from tokengraft.tokenizer.families import Family
from tokengraft.tokenizer.merging import Learned, Merge, learn_merges
from tokengraft.tokenizer.spelling import spelling_of
from tokengraft.tokenizer.tokens import Reject


@methods.register(
    "continued-bpe", paper="Sennrich et al. 2016, https://arxiv.org/abs/1508.07909, continued from the base"
)
def continued_bpe(family: Family, counts: Mapping[str, int], demand: Demand) -> Choice:
    """The most frequent pair of neighbouring tokens becomes a token, again and again, after the base's merges."""
    words = family.words(counts).several_ids()
    learned = learn_merges(words, family.file.tokens, demand.size, min_count=demand.min_count, join=family.join)
    return Choice(learned.merges, list(_rejects(family, learned, demand)))


def _rejects(family: Family, learned: Learned, demand: Demand) -> Iterator[Reject]:
    spelling = spelling_of(family.file.document)

    def reject(merge: Merge, reason: str) -> Reject:
        return Reject(merge.token, spelling(merge.token), (merge.left, merge.right), merge.count, reason)

    for merge in learned.known:
        yield reject(merge, f"already in the vocabulary as id {merge.id}, made of other pieces")
    for merge in learned.next:
        yield reject(merge, f"not among the {len(learned.merges)} most frequent")
    for merge in learned.rare:
        yield reject(merge, f"{merge.count} occurrences, fewer than {demand.min_count}")
