"""Double subwords: after a new token the model says the end of it again, as in `fibonacci` + `onacci`.

It is the mark of a new row that was taught to stand for its first pieces. Text doubles too now and then (`_` after
`a_b_`), so the rate is read beside the one in the true text.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from tokengraft.evaluation.passes import Chunk
from tokengraft.evaluation.sums import Ratio, Sums
from tokengraft.tokenizer import Decomposition


def repeats_tail(pieces: Sequence[int], following: Sequence[int]) -> bool:
    """Whether `following` begins with a proper tail of `pieces`, as far as there is anything to compare.

    >>> fibonacci = [1, 2, 3]
    >>> repeats_tail(fibonacci, [2]), repeats_tail(fibonacci, [3, 9]), repeats_tail(fibonacci, [2, 9])
    (True, True, False)
    >>> repeats_tail(fibonacci, [1, 2, 3]), repeats_tail(fibonacci, [])
    (False, False)
    """
    whole, after = list(pieces), list(following)
    tails = (whole[start:] for start in range(1, len(whole)))
    return bool(after) and any(tail[: len(after)] == after[: len(tail)] for tail in tails)


@dataclass(slots=True)
class DoubleSubword:
    """Measure: after how many new tokens the model's greedy next token begins a proper tail of that token's pieces.

    The next token counts by its own pieces, so a new token that begins so is seen as well. `text` counts the true next
    tokens by the same rule.
    """

    decomposition: Decomposition
    sums: Sums = field(default_factory=Sums)
    _known: dict[tuple[int, int], bool] = field(default_factory=dict)

    def add(self, chunk: Chunk) -> None:
        """Looks at each new token that something follows."""
        where = (chunk.ids >= self.decomposition.base_size) & (chunk.targets >= 0)
        if not where.any():
            return
        tokens, following = chunk.ids[where].tolist(), chunk.targets[where].tolist()
        predicted = chunk.greedy[where].tolist()
        found = {
            "after new": [1.0] * len(tokens),
            "doubled": map(self._doubles, tokens, predicted),
            "doubled in text": map(self._doubles, tokens, following),
        }
        documents = None if chunk.documents is None else chunk.documents[where.cpu()]
        self.sums.add(documents, {name: torch.tensor([float(value) for value in each]) for name, each in found.items()})

    def ratios(self, documents: int) -> dict[str, Ratio]:
        """The rate, and the one in the true text, by document."""
        return {
            "double_subword_rate": self.sums.ratio("doubled", "after new", documents),
            "double_subword_rate_in_text": self.sums.ratio("doubled in text", "after new", documents),
        }

    def _doubles(self, token: int, following: int) -> bool:
        pair = (token, following)
        if pair not in self._known:
            self._known[pair] = repeats_tail(*(self.decomposition.flatten(np.array([each])).tolist() for each in pair))
        return self._known[pair]

    @property
    def occurrences(self) -> int:
        """New tokens that something follows."""
        return self.sums.count("after new")

    @property
    def rate(self) -> float:
        """Share of the new tokens; NaN if there was none."""
        return self.sums.share("doubled", "after new")

    @property
    def rate_in_text(self) -> float:
        """The same share, had the model said what the text says."""
        return self.sums.share("doubled in text", "after new")


def double_subwords(ids: Sequence[int], decomposition: Decomposition) -> tuple[int, int]:
    """(new tokens of generated `ids` that are followed by a tail of themselves, new tokens that anything follows).

    >>> double_subwords([5, 1, 5, 4], Decomposition.from_pieces(5, [(0, 1)]))
    (1, 2)
    """
    doubled = occurrences = 0
    for place, token in enumerate(ids[:-1]):
        if token < decomposition.base_size:
            continue
        # A tail of k − 1 pieces lies within as many ids, each of which has at least one.
        after = np.asarray(ids[place + 1 : place + int(decomposition.lengths[token])], dtype=np.int64)
        pieces = decomposition.flatten(np.array([token]))
        occurrences += 1
        doubled += repeats_tail(pieces.tolist(), decomposition.flatten(after).tolist())
    return doubled, occurrences
