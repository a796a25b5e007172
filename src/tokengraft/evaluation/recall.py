"""Does the model find the new tokens? Its rank for each, where the text truly goes on with one."""

import math
from dataclasses import dataclass

from tokengraft.evaluation.passes import Chunk


@dataclass(slots=True)
class NewTokenRecall:
    """Measure: top-1 rate and mean reciprocal rank of new tokens, among all ids, where they are the true next token.

    Tokens of equal logit share their mean rank, and none of them is a top-1 but the one that greedy decoding takes: a
    head row copied from the first piece ties with it everywhere and is never chosen.
    """

    base_size: int
    occurrences: int = 0
    first: int = 0
    reciprocal: float = 0.0

    def add(self, chunk: Chunk) -> None:
        """Looks at each position that a new token follows."""
        where = chunk.targets >= self.base_size
        if not where.any():
            return
        logits, targets = chunk.logits[where], chunk.targets[where]
        true = logits.gather(1, targets[:, None])
        rank = (logits > true).sum(1) + ((logits == true).sum(1) + 1) / 2
        self.occurrences += len(targets)
        self.first += int((logits.argmax(1) == targets).sum())
        self.reciprocal += rank.double().reciprocal().sum().item()

    @property
    def top1(self) -> float:
        """Share of the new tokens that greedy decoding would have taken; NaN if there was none."""
        return self.first / self.occurrences if self.occurrences else math.nan

    @property
    def mrr(self) -> float:
        """Mean reciprocal rank; NaN if there was none."""
        return self.reciprocal / self.occurrences if self.occurrences else math.nan
