"""Does the model find the new tokens? Its rank for each, where the text truly goes on with one."""

from dataclasses import dataclass, field

import torch

from tokengraft.evaluation.passes import Chunk
from tokengraft.evaluation.sums import Ratio, Sums


@dataclass(slots=True)
class NewTokenRecall:
    """Measure: top-1 rate and mean reciprocal rank of new tokens, among all ids, where they are the true next token.

    Tokens of equal logit share their mean rank, and none of them is a top-1 but the one that greedy decoding takes: a
    head row copied from the first piece ties with it everywhere and is never chosen.
    """

    base_size: int
    sums: Sums = field(default_factory=Sums)

    def add(self, chunk: Chunk) -> None:
        """Looks at each position that a new token follows."""
        where = chunk.targets >= self.base_size
        if not where.any():
            return
        logits, targets = chunk.logits[where], chunk.targets[where]
        true = logits.gather(1, targets[:, None])
        rank = (logits > true).sum(1) + ((logits == true).sum(1) + 1) / 2
        values = {
            "new": torch.ones(len(targets)),
            "first": chunk.greedy[where] == targets,
            "reciprocal": rank.double().reciprocal(),
        }
        self.sums.add(None if chunk.documents is None else chunk.documents[where.cpu()], values)

    def ratios(self, documents: int) -> dict[str, Ratio]:
        """Both figures by document."""
        return {
            "new_token_top1": self.sums.ratio("first", "new", documents),
            "new_token_mrr": self.sums.ratio("reciprocal", "new", documents),
        }

    @property
    def occurrences(self) -> int:
        """New tokens that were looked at."""
        return self.sums.count("new")

    @property
    def top1(self) -> float:
        """Share of the new tokens that greedy decoding would have taken; NaN if there was none."""
        return self.sums.share("first", "new")

    @property
    def mrr(self) -> float:
        """Mean reciprocal rank; NaN if there was none."""
        return self.sums.share("reciprocal", "new")
