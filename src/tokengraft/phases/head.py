"""The head's new rows fitted once more, to the end: with hidden states held fast their cross-entropy is convex.

Stochastic steps meet a rare token a few times and stop at some distance. Here a sample of hidden states is kept with
one number a position for all old columns (their log-sum), and L-BFGS runs on the n×d rows alone: an iteration costs
positions × n × d and never touches the vocabulary.

Three things make it work. Hidden states have a few directions of large variance, so the fit runs in whitened
coordinates, where a change of the rows is measured by how much it changes logits. And n×d numbers fit a sample far
better than the text behind it, so a ridge in those coordinates holds them, and windows that are not learned from decide
when to end. What all new tokens have in common (they belong in the domain and not elsewhere) is a shift of its own of d
numbers, which the ridge charges once and not n times: without it the fit hardly lowers their mass on general text.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.optim import LBFGS

from tokengraft.losses.fused import Head
from tokengraft.model.rows import Composed
from tokengraft.progress import bar
from tokengraft.training.batches import pair
from tokengraft.training.windows import Window

JUDGES = 10
"""One window in so many judges and is not learned from."""

PATIENCE = 3
"""Iterations without a gain after which the fit ends."""

CHUNK = 4096
"""Positions whose new logits exist at one time."""

BATCH = 16
"""Windows that are read in one forward pass."""

FLOOR = 1e-5
"""Least variance of a direction against the largest: below it whitening would blow up rounding errors."""


@dataclass(frozen=True, slots=True)
class FitPlan:
    """How large a fit is. `ridge` is the price of a mean squared change of 1 in a token's logit, in nats, twice."""

    positions: int
    iterations: int
    ridge: float
    replay_share: float


@dataclass(frozen=True, slots=True)
class Fit:
    """Cross-entropy in nats per position on the judging windows, before and after, and the iterations that it took."""

    before: float
    after: float
    iterations: int


@dataclass(frozen=True, slots=True)
class Positions:
    """What the fit needs to know of each position that has a next token."""

    hidden: Float[Tensor, "positions d"]
    old_total: Float[Tensor, " positions"]
    """Log-sum of the old logits."""
    old_target: Float[Tensor, " positions"]
    """Logit of the next token where it is an old one."""
    column: Int[Tensor, " positions"]
    """Column of the next token among the new ones; −1 where it is an old one."""

    @classmethod
    def join(cls, parts: Sequence["Positions"]) -> "Positions":
        """All positions of the parts."""
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in cls.__slots__))

    def chosen(self, where: slice | Bool[Tensor, " positions"]) -> "Positions":
        """Some of the positions."""
        return Positions(*(getattr(self, name)[where] for name in self.__slots__))

    def chunks(self) -> Iterator["Positions"]:
        """The positions, `CHUNK` at a time."""
        for start in range(0, len(self.column), CHUNK):
            yield self.chosen(slice(start, start + CHUNK))


def refit_head(
    composed: Composed, head: Head, windows: Sequence[Window], replay: Sequence[Window], plan: FitPlan, seed: int
) -> Fit | None:
    """What the fit brought; the head rows (and their bias) of `composed.rows` are changed in place, if it brought any.

    None where there are too few windows to keep one for judging.
    """
    chosen = choose_windows(windows, replay, plan, seed)
    if len(chosen) < JUDGES:
        return None
    with bar(len(chosen), "read for the head", "window") as progress:
        judged = _read_all(composed, head, chosen[::JUDGES], progress)
        learned = [window for place, window in enumerate(chosen) if place % JUDGES]
        return _HeadFit(composed, head, _read_all(composed, head, learned, progress), judged).run(plan)


def choose_windows(windows: Sequence[Window], replay: Sequence[Window], plan: FitPlan, seed: int) -> list[Window]:
    """Different windows with about `plan.positions` positions together, the asked share of them of replay text."""
    share = plan.replay_share if replay else 0.0
    order = torch.Generator().manual_seed(seed)

    def draw(source: Sequence[Window], positions: float) -> Iterator[Window]:
        count = 0
        for place in torch.randperm(len(source), generator=order).tolist():
            if count >= positions:
                return
            count += len(source[place].student) - 1
            yield source[place]

    drawn = [*draw(windows, plan.positions * (1 - share)), *draw(replay, plan.positions * share)]
    return [drawn[place] for place in torch.randperm(len(drawn), generator=order).tolist()]


@dataclass(frozen=True)
class _HeadFit:
    composed: Composed
    head: Head
    learned: Positions
    judged: Positions

    def run(self, plan: FitPlan) -> Fit:
        rows = self.composed.rows
        parts = [rows.head.detach()] if rows.bias is None else [rows.head.detach(), rows.bias.detach()]
        whitening = self._whitening()
        common = torch.zeros_like(parts[0][0], requires_grad=True)
        steps = [common, *(torch.zeros_like(part, requires_grad=True) for part in parts)]
        solver = LBFGS(steps, lr=1, max_iter=1, history_size=10, line_search_fn="strong_wolfe")

        def moved() -> list[Tensor]:
            shift, own, *rest = (step.detach() for step in steps)
            changes = [(own + shift) @ whitening, *rest]
            return [part + change for part, change in zip(parts, changes, strict=True)]

        def closure() -> float:
            now = [part.requires_grad_() for part in moved()]
            loss = self._loss(now, self.learned, backward=True)
            weight, *rest = (part.grad for part in now)
            assert weight is not None, "the loss was differentiated"
            held = [step.detach() for step in steps[:2]]
            own = weight @ whitening
            for step, gradient in zip(steps[2:], rest, strict=True):
                step.grad = gradient
            common.grad, steps[1].grad = own.sum(0) + plan.ridge * held[0], own + plan.ridge * held[1]
            return loss + plan.ridge / 2 * sum(value.square().sum().item() for value in held)

        before = best = self._loss(parts, self.judged)
        kept, kept_at = parts, 0
        with bar(plan.iterations, "fit the head", "iteration") as progress:
            for iteration in range(1, plan.iterations + 1):
                solver.step(closure)
                candidate = moved()
                loss = self._loss(candidate, self.judged)
                progress.update()
                progress.set_postfix({"cross_entropy": f"{loss:.4f}"}, refresh=False)
                if loss < best:
                    best, kept, kept_at = loss, candidate, iteration
                elif iteration - kept_at >= PATIENCE:
                    break
        with torch.no_grad():
            rows.head.copy_(kept[0])
            if rows.bias is not None:
                rows.bias.copy_(kept[1])
        return Fit(before, best, kept_at)

    def _whitening(self) -> Float[Tensor, "d d"]:
        """C^(−1/2) of the second moments C of the hidden states: rows changed by A·C^(−1/2) change logits by |A|²."""
        hidden = self.learned.hidden
        moments = (hidden.T @ hidden / len(hidden)).double()
        values, vectors = torch.linalg.eigh(moments)
        scale = values.clamp_min(float(values.max()) * FLOOR).rsqrt()
        return ((vectors * scale) @ vectors.T).float()

    def _loss(self, parts: Sequence[Tensor], positions: Positions, *, backward: bool = False) -> float:
        """Mean cross-entropy in nats with these head rows (and bias); `backward` adds its gradient to them."""
        total = 0.0
        weight, bias = parts[0], parts[1] if len(parts) > 1 else None
        with torch.set_grad_enabled(backward):
            for part in positions.chunks():
                new = self.head.projection.logits(part.hidden, weight, bias)
                picked = new.gather(1, part.column.clamp_min(0)[:, None])[:, 0]
                chosen = torch.where(part.column >= 0, picked, part.old_target)
                loss = (torch.logaddexp(part.old_total, new.logsumexp(1)) - chosen).sum() / len(positions.column)
                if backward:
                    loss.backward()
                total += loss.item()
        return total


def _read_all(composed: Composed, head: Head, windows: Sequence[Window], progress: Any) -> Positions:
    parts = []
    ordered = sorted(windows, key=lambda window: len(window.student))
    for start in range(0, len(ordered), BATCH):
        parts.append(_read(composed, head, ordered[start : start + BATCH]))
        progress.update(len(ordered[start : start + BATCH]))
    return Positions.join(parts)


@torch.no_grad()
def _read(composed: Composed, head: Head, windows: Sequence[Window]) -> Positions:
    batch = pair(windows).to(composed.model.device)
    places = torch.cat([batch.before, batch.compared])
    targets = torch.cat([batch.before_targets, batch.compared_targets])
    real = targets >= 0
    hidden, targets = composed.hidden(batch.student).flatten(0, 1)[places[real]], targets[real]
    new = targets >= composed.base_size
    totals, chosen = zip(*(_old_side(head, hidden[c], targets[c], new[c]) for c in _slices(len(hidden))), strict=True)
    column = torch.where(new, targets - composed.base_size, -1)
    return Positions(hidden.float(), torch.cat(totals), torch.cat(chosen), column)


def _old_side(head: Head, hidden: Tensor, targets: Tensor, new: Tensor) -> tuple[Tensor, Tensor]:
    old = head.projection.logits(hidden, head.weight, head.bias)
    return old.logsumexp(1), old.gather(1, targets.masked_fill(new, 0)[:, None])[:, 0]


def _slices(length: int, size: int = 512) -> Iterator[slice]:
    for start in range(0, length, size):
        yield slice(start, start + size)
