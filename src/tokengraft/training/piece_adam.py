"""Adam for rows that learn from each other: tokens that share a piece share a part of every step."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.optim import Adam


class Kinship:
    """Which rows have something in common: a first piece, a last one, one between them, or that they are new.

    What belongs to a single row is nothing in common and has no place here.
    """

    def __init__(self, pieces: Sequence[Sequence[int]]) -> None:
        members: dict[Hashable, list[int]] = {}
        for row, own in enumerate(pieces):
            between = {("between", piece) for piece in own[1:-1]}
            ends = {("first", piece) for piece in own[:1]} | {("last", piece) for piece in own[-1:]}
            for trait in [("new",), *sorted(ends | between)]:
                members.setdefault(trait, []).append(row)
        shared = [rows for rows in members.values() if len(rows) > 1]
        self.traits = len(shared)
        self.rows: Int[Tensor, " pairs"] = torch.tensor([row for rows in shared for row in rows], dtype=torch.long)
        self.trait: Int[Tensor, " pairs"] = torch.tensor(
            [number for number, rows in enumerate(shared) for _ in rows], dtype=torch.long
        )

    def gather(self, rows: Float[Tensor, "new d"]) -> Float[Tensor, "traits d"]:
        """The sum over the rows that have each trait."""
        self._to(rows.device)
        return rows.new_zeros(self.traits, rows.shape[1]).index_add_(0, self.trait, rows[self.rows])

    def spread(self, rows: Float[Tensor, "new d"], steps: Float[Tensor, "traits d"]) -> None:
        """Adds to each row the steps of its traits."""
        self._to(rows.device)
        rows.index_add_(0, self.rows, steps[self.trait])

    def _to(self, device: torch.device) -> None:
        self.rows, self.trait = self.rows.to(device), self.trait.to(device)


class PieceAdam(Adam):
    """Adam on rows = own part + one part for every trait that rows share, each part with moments of its own.

    A row is moved by the text that it stands in; of 400 new tokens a step of 2 048 tokens may hold 60. What a piece or
    all new tokens bring along is the same in many rows and is learned from all of them. The parts need no parameters of
    their own, since a row is their sum: only the moments of the shared ones are kept, (traits × d) numbers twice.

        >>> rows = nn.Parameter(torch.zeros(3, 2))
        >>> optimizer = PieceAdam(rows, Kinship([(5, 6), (5, 7), (8, 9)]), lr=0.1, share=0.5)
        >>> rows.grad = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
        >>> optimizer.step()  # the first row's own step, that of all rows, and that of piece 5 in two of them
        >>> [[round(value, 3) for value in row] for row in rows.tolist()]
        [[-0.2, 0.0], [-0.1, 0.0], [-0.05, 0.0]]
    """

    def __init__(self, rows: nn.Parameter, kinship: Kinship, lr: float, share: float, **others: Any) -> None:
        """`share`: the rate of a shared part against that of the rows' own; `others` are Adam's."""
        super().__init__([rows], lr=lr, **others)
        self._kinship, self._share = kinship, share

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Adam's step, then that of the shared parts."""
        group = self.param_groups[0]
        (rows,) = group["params"]
        gradient = rows.grad
        result = super().step(closure)
        if gradient is None or not self._kinship.traits:
            return result
        state, (beta1, beta2) = self.state[rows], group["betas"]
        common = self._kinship.gather(gradient)
        mean = state.setdefault("shared_avg", torch.zeros_like(common)).lerp_(common, 1 - beta1)
        square = state.setdefault("shared_avg_sq", torch.zeros_like(common))
        square.mul_(beta2).addcmul_(common, common, value=1 - beta2)
        number = float(state["step"])
        size = (square / (1 - beta2**number)).sqrt_().add_(group["eps"])
        self._kinship.spread(rows, mean / (1 - beta1**number) / size * (-group["lr"] * self._share))
        return result
