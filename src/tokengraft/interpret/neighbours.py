"""The old tokens whose rows lie nearest to a new one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An old token near a new one."""

    id: int
    cosine: float


def neighbours(
    table: Float[Tensor, "rows d"], tokens: Sequence[Any], base_size: int, *, k: int = 5, centred: bool = True
) -> list[list[Neighbour]]:
    """For each new token its `k` nearest old ones, nearest first; centred as in `piece_cosines`.

    >>> import torch
    >>> from types import SimpleNamespace
    >>> table = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.9, 0.1]])
    >>> [[found]] = neighbours(table, [SimpleNamespace(id=2)], 2, k=1, centred=False)
    >>> found.id, round(found.cosine, 3)
    (0, 0.994)
    """
    wide = table.detach().float().cpu()
    unit = F.normalize(wide - wide[:base_size].mean(0) if centred else wide, dim=1)
    values, ids = (unit[[token.id for token in tokens]] @ unit[:base_size].T).topk(min(k, base_size), dim=1)
    return [
        [Neighbour(number, value) for number, value in zip(row, near, strict=True)]
        for row, near in zip(ids.tolist(), values.tolist(), strict=True)
    ]
