"""The head's new rows fitted once more, to the end: with hidden states held fast their cross-entropy is convex.

Stochastic steps meet a rare token a few times and stop at some distance. Here a sample of hidden states is kept with
one number a position for all old columns, their log-sum (`phases.positions`), and L-BFGS runs on the n×d rows alone: an
iteration costs positions × n × d and never touches the vocabulary.

Three things make it work. Hidden states have a few directions of large variance, so the fit runs in whitened
coordinates, where a change of the rows is measured by how much it changes logits. And n×d numbers fit a sample far
better than the text behind it, so a ridge in those coordinates holds them, and windows that are not learned from decide
when to end. What all new tokens have in common (they belong in the domain and not elsewhere) is a shift of its own of d
numbers, which the ridge charges once and not n times: without it the fit hardly lowers their mass on general text.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import LBFGS

from tokengraft.losses.fused import Head
from tokengraft.losses.soft_targets import PieceTree
from tokengraft.model.rows import Composed
from tokengraft.phases.positions import Positions, SoftSum, read_positions
from tokengraft.phases.soft_sums import SoftSums
from tokengraft.progress import bar
from tokengraft.training.windows import Window

JUDGES = 10
"""One window in so many judges and is not learned from."""

PATIENCE = 3
"""Iterations without a gain after which the fit ends."""

GAIN = 1e-4
"""Nats a position that count as a gain. The demo's fit lowers 2.84 to 2.77, and after seven iterations nothing more."""

FLOOR = 1e-5
"""Least variance of a direction against the largest: below it whitening would blow up rounding errors."""


@dataclass(frozen=True, slots=True)
class FitPlan:
    """How large a fit is. `ridge` is the price of a mean squared change of 1 in a token's logit, in nats, twice."""

    positions: int
    iterations: int
    ridge: float
    replay_share: float
    soft_share: float = 0.0
    """Share of the loss whose targets are the teacher's; for heads without a soft cap."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Cross-entropy in nats per position on the judging windows, before and after, and the iterations that it took."""

    before: float
    after: float
    iterations: int


def refit_head(
    composed: Composed, head: Head, windows: Sequence[Window], replay: Sequence[Window], plan: FitPlan, seed: int,
    tree: PieceTree | None = None,
) -> Fit | None:  # fmt: skip
    """What the fit brought; the head rows (and their bias) of `composed.rows` are changed in place, if it brought any.

    `tree` holds the new tokens' pieces, for the teacher's targets. None where there are too few windows to keep one for
    judging.
    """
    chosen = choose_windows(windows, replay, plan, seed)
    if len(chosen) < JUDGES:
        return None
    learned_soft, judged_soft = (
        SoftSums(composed, head, tree) if tree is not None and plan.soft_share else None for _ in range(2)
    )
    with bar(len(chosen), "read for the head", "window") as progress:
        judged = read_positions(composed, head, chosen[::JUDGES], progress, judged_soft)
        rest = [window for place, window in enumerate(chosen) if place % JUDGES]
        learned = read_positions(composed, head, rest, progress, learned_soft)
    soft = None if learned_soft is None or judged_soft is None else (learned_soft.total, judged_soft.total)
    return HeadFit(composed, head, learned, judged, soft).run(plan)


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


class Remembered:
    """A closure that answers from memory where it has just been: loss as returned, gradients put back.

    Every iteration of torch's L-BFGS begins by asking at the point that its line search has ended at, which here is
    half of all the work.
    """

    KEPT = 2
    """Evaluations: a line search may end at the one before its last."""

    def __init__(self, points: Sequence[Tensor], closure: Callable[[], float]) -> None:
        self.points = points
        self.closure = closure
        self._seen: deque[tuple[list[Tensor], float, list[Tensor | None]]] = deque(maxlen=self.KEPT)

    def __call__(self) -> float:
        """The loss where the points are now; their gradients are set."""
        for places, loss, gradients in self._seen:
            if all(torch.equal(place, point) for place, point in zip(places, self.points, strict=True)):
                for point, gradient in zip(self.points, gradients, strict=True):
                    point.grad = None if gradient is None else gradient.clone()
                return loss
        loss = self.closure()
        places = [point.detach().clone() for point in self.points]
        self._seen.append((places, loss, [None if p.grad is None else p.grad.clone() for p in self.points]))
        return loss


@dataclass(frozen=True)
class HeadFit:
    """The fit itself, on positions that have been read."""

    composed: Composed
    head: Head
    learned: Sequence[Positions]
    judged: Sequence[Positions]
    soft: tuple[SoftSum, SoftSum] | None = None
    """The teacher's targets of the same positions, learned and judged, where a share of the loss is theirs."""

    def run(self, plan: FitPlan) -> Fit:
        """What it brought; the head rows are changed in place, if it brought any."""
        rows = self.composed.rows
        learned, judged = (None, None) if self.soft is None else ((plan.soft_share, each) for each in self.soft)
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
            loss = self._loss(now, self.learned, learned, backward=True)
            weight, *rest = (part.grad for part in now)
            assert weight is not None, "the loss was differentiated"
            held = [step.detach() for step in steps[:2]]
            own = weight @ whitening
            for step, gradient in zip(steps[2:], rest, strict=True):
                step.grad = gradient
            common.grad, steps[1].grad = own.sum(0) + plan.ridge * held[0], own + plan.ridge * held[1]
            return loss + plan.ridge / 2 * sum(value.square().sum().item() for value in held)

        before = best = mark = self._loss(parts, self.judged, judged)
        kept, kept_at, gained_at = parts, 0, 0
        remembered = Remembered(steps, closure)
        with bar(plan.iterations, "fit the head", "iteration") as progress:
            for iteration in range(1, plan.iterations + 1):
                solver.step(remembered)
                candidate = moved()
                loss = self._loss(candidate, self.judged, judged)
                progress.update()
                progress.set_postfix({"cross_entropy": f"{loss:.4f}"}, refresh=False)
                if loss < best:
                    best, kept, kept_at = loss, candidate, iteration
                if best < mark - GAIN:
                    mark, gained_at = best, iteration
                elif iteration - gained_at >= PATIENCE:
                    break
        with torch.no_grad():
            rows.head.copy_(kept[0])
            if rows.bias is not None:
                rows.bias.copy_(kept[1])
        return Fit(before, best, kept_at)

    def _whitening(self) -> Float[Tensor, "d d"]:
        """C^(−1/2) of the second moments C of the hidden states: rows changed by A·C^(−1/2) change logits by |A|²."""
        states = (part.hidden.float() for part in self.learned)
        moments = torch.stack([part.T @ part / self._count(self.learned) for part in states]).sum(0)
        values, vectors = torch.linalg.eigh(moments.double())
        scale = values.clamp_min(float(values.max()) * FLOOR).rsqrt()
        return ((vectors * scale) @ vectors.T).float()

    @staticmethod
    def _count(positions: Sequence[Positions]) -> int:
        return sum(len(part.column) for part in positions)

    def _loss(
        self, parts: Sequence[Tensor], positions: Sequence[Positions], soft: tuple[float, SoftSum] | None, *,
        backward: bool = False,
    ) -> float:  # fmt: skip
        """Mean cross-entropy in nats with these head rows (and bias); `backward` adds its gradient to them.

        `soft` is the share of the teacher's targets, and their sum; the rest is the text's own next tokens.
        """
        total, count = 0.0, self._count(positions)
        share = 0.0 if soft is None else soft[0]
        weight, bias = parts[0], parts[1] if len(parts) > 1 else None
        with torch.set_grad_enabled(backward):
            for part in positions:
                new = self.head.projection.logits(part.hidden.float(), weight, bias)
                picked = new.gather(1, part.column.clamp_min(0)[:, None])[:, 0]
                chosen = torch.where(part.column >= 0, picked, part.old_target)
                loss = (torch.logaddexp(part.old_total, new.logsumexp(1)) - (1 - share) * chosen).sum() / count
                if backward:
                    loss.backward()
                total += loss.item()
            if soft is not None:
                loss = -share / count * self._soft_logits(soft[1], weight, bias)
                if backward:
                    loss.backward()
                total += loss.item()
        return total

    def _soft_logits(self, soft: SoftSum, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Σ over positions of the teacher's probabilities times the logits, old and new."""
        new = (soft.rows * weight).sum() + (0 if bias is None else (soft.bias * bias).sum())
        return self.head.projection.scale * new + soft.old[0]
