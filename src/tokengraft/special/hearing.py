"""What the model's head hears, and a direction in which a row is heard nowhere.

A head without a bias gives no row a fixed logit, and so no row probability 0 by itself. But the hidden states of a
language model lie on one side of some hyperplane through 0, next to all of them: with v its normal, h·v > 0, and along
v a row is lowered by as many nats as it is moved. v is fitted (squared hinge, a support vector machine without its
slack) on text that the model wrote, on random ids and on single ones; what it does is measured on other such text.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import minimize
from torch import Tensor

from tokengraft.model.load import context_length
from tokengraft.model.projection import Projection, find_projection
from tokengraft.model.tables import find_tables

ROWS, WIDTH = 24, 160
"""Texts that the model writes for each part, and their length in tokens; as many again are drawn at random."""

SINGLES = 4096
"""Ids that are also heard alone, at the beginning of a text, where hidden states are most unlike others."""

BATCH = 4
"""Texts in one pass: their logits are what takes memory."""

WEIGHT = 1e-3
"""Of the ridge beside the hinge."""


@dataclass(frozen=True)
class Hearing:
    """Hidden states before the head, and the logarithm of the sum of exponentials of the old logits there."""

    hidden: Float[Tensor, "positions d"]
    total: Float[Tensor, " positions"]
    written: Float[Tensor, " positions"]
    """1 where the text is the model's own, 0 where ids were drawn."""
    projection: Projection

    def shares(
        self, rows: Float[Tensor, "new d"], bias: Float[Tensor, " new"] | None
    ) -> Float[Tensor, "positions new"]:
        """Probability of each row at each position, beside the old rows."""
        logits = self.projection.logits(self.hidden, rows, bias).double()
        return (logits - torch.logaddexp(self.total, logits.logsumexp(1))[:, None]).exp()

    def mean_shares(self, rows: Float[Tensor, "new d"], bias: Float[Tensor, " new"] | None) -> Float[Tensor, " new"]:
        """Mean over the model's own text."""
        return self.shares(rows, bias)[self.written > 0].mean(0)


@torch.no_grad()
def listen(model: Any, base_size: int, seed: int, parts: int = 3) -> list[Hearing]:
    """Hidden states of texts that `model` writes itself from random beginnings, and of random ids; on the CPU.

    Each of the `parts` has texts of its own; they are written together, because steps are what writing costs.
    """
    generator = torch.Generator().manual_seed(seed)
    width, count = min(WIDTH, context_length(model)), ROWS * parts
    begins = torch.randint(base_size, (count, 1), generator=generator)
    own = written(model, begins, width, base_size, generator).split(ROWS)
    drawn = torch.randint(base_size, (count, width), generator=generator).split(ROWS)
    return [_hearing(model, *texts, base_size, generator) for texts in zip(own, drawn, strict=True)]


def _hearing(model: Any, own_text: Tensor, drawn: Tensor, base_size: int, generator: torch.Generator) -> Hearing:
    alone = torch.randperm(base_size, generator=generator)[:SINGLES, None]
    own, other, single = (_heard(model, ids, base_size) for ids in (own_text, drawn, alone))
    mark = torch.zeros(len(own[0]) + len(other[0]) + len(single[0]))
    mark[: len(own[0])] = 1
    hidden, total = (torch.cat([own[part], other[part], single[part]]) for part in (0, 1))
    return Hearing(hidden, total, mark, find_projection(model))


def quiet_direction(hearing: Hearing) -> Float[Tensor, " d"]:
    """V with h·v about 1 in the mean over the hidden states, and above 0 for all of them where that can be."""
    states = hearing.hidden.double().numpy()
    ridge = WEIGHT * float((states**2).sum(1).mean()) / states.shape[1]

    def loss(v: np.ndarray) -> tuple[float, np.ndarray]:
        lack = np.maximum(0.0, 1.0 - states @ v)
        return float(lack @ lack / len(states) + ridge * v @ v), -2 * (states.T @ lack) / len(states) + 2 * ridge * v

    found = minimize(loss, np.zeros(states.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    direction = torch.from_numpy(found.x)
    mean = float((hearing.hidden.double() @ direction)[hearing.written > 0].mean())
    return (direction / mean).float() if mean > 0 else torch.zeros_like(direction).float()


@torch.no_grad()
def written(
    model: Any, begins: Int[Tensor, "rows 1"], width: int, base_size: int, generator: torch.Generator
) -> Int[Tensor, "rows width"]:
    """Texts drawn from the model's own distribution, token by token."""
    ids, cache = begins, None
    while ids.shape[1] < width:
        step = ids if cache is None else ids[:, -1:]
        out = model(input_ids=step.to(model.device), past_key_values=cache, use_cache=True)
        cache = getattr(out, "past_key_values", None)
        chances = out.logits[:, -1, :base_size].float().softmax(-1).cpu()
        ids = torch.cat([ids, torch.multinomial(chances, 1, generator=generator)], dim=1)
    return ids


def _heard(
    model: Any, ids: Int[Tensor, "rows width"], base_size: int
) -> tuple[Float[Tensor, "positions d"], Float[Tensor, " positions"]]:
    hidden, total = zip(*_passes(model, ids, base_size), strict=True)
    return torch.cat(hidden), torch.cat(total)


def _passes(model: Any, ids: Int[Tensor, "rows width"], base_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    caught: list[Tensor] = []
    hook = find_tables(model).head.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    rows = max(BATCH, BATCH * WIDTH // ids.shape[1])
    try:
        for batch in ids.split(rows):
            logits = model(input_ids=batch.to(model.device), use_cache=False).logits[..., :base_size]
            total = logits.float().logsumexp(-1).double()
            yield caught.pop().flatten(0, 1).float().cpu(), total.flatten().cpu()
    finally:
        hook.remove()
