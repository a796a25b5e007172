"""How each new row lies to the rows of its pieces: the thesis' Figures 12 and 13, centred, with a baseline."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

PLACES = ("first", "middle", "last")


@dataclass(frozen=True, slots=True)
class PieceCosines:
    """Cosine of each new row to a row of one of its pieces; NaN for `middle` where there are but two pieces."""

    first: Float[Tensor, " new"]
    middle: Float[Tensor, " new"]
    """Mean of the cosines to the pieces between."""
    last: Float[Tensor, " new"]
    random: Float[Tensor, " new"]
    """To an old row drawn at random: what a cosine is worth without any relation."""

    def means(self) -> dict[str, float]:
        """Mean of each, leaving out what is not there."""
        return {name: float(getattr(self, name).nanmean()) for name in (*PLACES, "random")}


def piece_cosines(
    table: Float[Tensor, "rows d"], tokens: Sequence[Any], base_size: int, *, centred: bool = True, seed: int = 0
) -> PieceCosines:
    """Cosines of the rows of the new tokens in `table`, whose first `base_size` rows are the old ones.

    `centred` takes the old rows' mean off first: the rows of most tables point into one common direction, which makes
    every pair look alike.

    >>> from types import SimpleNamespace
    >>> table = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    >>> found = piece_cosines(table, [SimpleNamespace(id=2, pieces=(0, 1))], 2, centred=False)
    >>> found.first.item(), found.last.item()
    (1.0, 0.0)
    """
    wide = table.detach().float().cpu()
    unit = F.normalize(wide - wide[:base_size].mean(0) if centred else wide, dim=1)
    draw = torch.Generator().manual_seed(seed)
    rows = unit[[token.id for token in tokens]]
    strangers = unit[torch.randint(base_size, (len(tokens),), generator=draw)]
    middle = [
        float((unit[list(token.pieces[1:-1])] @ row).mean()) if len(token.pieces) > 2 else float("nan")
        for token, row in zip(tokens, rows, strict=True)
    ]
    return PieceCosines(
        (rows * unit[[token.pieces[0] for token in tokens]]).sum(1),
        torch.tensor(middle),
        (rows * unit[[token.pieces[-1] for token in tokens]]).sum(1),
        (rows * strangers).sum(1),
    )
