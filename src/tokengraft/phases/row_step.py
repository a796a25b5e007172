"""One step of the rows phase: what is read, which losses are taken of it, and the gradients of the new rows alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from tokengraft.config import DistillConfig
from tokengraft.losses.fused import Head
from tokengraft.losses.mixture import REST, HeadMixture, InputMixture
from tokengraft.model.projection import find_projection
from tokengraft.model.rows import Composed, NewRows
from tokengraft.phases.engine import can_share, computing, pass_tokens, passes_of
from tokengraft.phases.head import FitPlan
from tokengraft.phases.objectives import Comparison, Losses, Scales, Taken
from tokengraft.phases.pieces import piece_tree
from tokengraft.phases.row_rates import row_optimizers
from tokengraft.phases.row_settings import fit_mixture
from tokengraft.phases.sharded import even_passes
from tokengraft.phases.texts import pieces_of
from tokengraft.training import processes
from tokengraft.training.batches import like_lengths
from tokengraft.training.memory import halving
from tokengraft.training.profile import part
from tokengraft.training.teacher_cache import TeacherCache
from tokengraft.training.windows import Window


class RowsPhase:
    """One step of the phase, and what it needs: the frozen model, the rows, their optimisers, the objectives."""

    def __init__(self, model: Any, extension: Any, settings: DistillConfig, sample: Sequence[Window] = ()) -> None:
        """`sample` is text on which the teacher's mean probabilities of pieces are taken, where an objective asks."""
        self.settings = settings
        self.rows = NewRows.read(model, extension.base_size, extension.size)
        model = computing(model, settings)
        self.composed = Composed(model, self.rows, extension.base_size)
        self.head = Head(self.composed.base_head, self.composed.base_bias, find_projection(model))
        heads = HeadMixture.of(settings.head_objective)
        self.fit_share = fit_mixture(settings).soft_share
        self.pieces = pieces_of(extension, sample)
        self.tree = None
        if heads.soft_share or self.fit_share:
            self.tree = piece_tree(self.composed, self.head, self.pieces, sample)
        self.main = self._comparison(settings.objective, heads)
        self.first = self._first(heads)
        self.lasts(settings.steps)
        self.place = 0
        """Steps done: which objective is on."""
        self._said: set[str] = set()
        self._pass_tokens = settings.tokens_per_step

    def _comparison(self, objective: str, heads: HeadMixture) -> Comparison:
        tree = self.tree if heads.soft_share else None
        return Comparison(self.composed, self.head, InputMixture.of(objective), heads, self.settings, tree)

    def _first(self, heads: HeadMixture) -> Comparison:
        if self.settings.first_objective is None:
            return self.main
        first = self._comparison(self.settings.first_objective, heads)
        early = not first.inputs.logits and first.last not in first.layers
        # Behind an early layer there is nothing that the head could read: both passes end there.
        return self._comparison(self.settings.first_objective, HeadMixture.of(REST)) if early else first

    def prepare(self, longest: int, cache: TeacherCache | None = None) -> None:
        """Chooses how windows of up to `longest` base tokens are read; to be called within `sharing`.

        Raises:
            ConfigError: a window does not fit the memory that the settings allow.
        """
        model, chosen = self.composed.model, self.settings
        self._pass_tokens = pass_tokens(model, chosen, len(self.head.weight), longest)
        shared = can_share(model, chosen, longest)
        self.main = replace(self.main, passes=passes_of(self.main, shared=shared, cache=cache))
        # What is kept for the sum answers a part of it too; another objective may ask for more.
        known = cache if set(self.first.inputs.terms) <= set(self.main.inputs.terms) else None
        self.first = replace(self.first, passes=passes_of(self.first, shared=shared, cache=known))

    def lasts(self, steps: int) -> None:
        """Sets how many steps the phase has: a share of them belongs to the first objective."""
        self.switch = int(self.settings.first_share * steps) if self.settings.first_objective else 0

    def optimizers(self) -> list[Optimizer]:
        """One for the input rows, one for the head rows; a single one where the tables are tied."""
        return row_optimizers(self.rows, self.composed.tables, self.composed.base_size, self.pieces, self.settings)

    @property
    def fit_plan(self) -> FitPlan | None:
        """The closing fit of the head; None where there is none.

        That is where none is asked for, where the tables are tied, and where soft targets meet a capped head, whose
        loss is not linear in them.
        """
        chosen, share = self.settings, self.fit_share
        if not chosen.refit_positions or self.rows.tied or (share and self.head.projection.cap is not None):
            return None
        return FitPlan(chosen.refit_positions, chosen.refit_iterations, chosen.refit_ridge, chosen.replay_share, share)

    def step(self, windows: Sequence[Window]) -> tuple[Tensor, Mapping[str, Tensor], int]:
        """(sum of all losses, each of them in nats or its own unit per position, base tokens read)."""
        comparison, scales = self._comparison_now(), self._scales(windows)
        parts = [
            (inputs * counted, head * counted)
            for taken, group, counted in self._groups(comparison, windows)
            for inputs, head in taken(group, scales)
        ]
        inputs = torch.stack([part for part, _ in parts or [comparison.zeros()]]).sum(0)
        head = torch.stack([part for _, part in parts or [comparison.zeros()]]).sum()
        # An automatic weight divides by a loss: of windows without new tokens there is none.
        taught = any(window.first_new < len(window.student) for window in windows)
        total = comparison.inputs.combine(inputs) if taught else inputs.sum()
        return total + head, *self._done(comparison, inputs, head, windows)

    def form(self, windows: Sequence[Window]) -> tuple[Tensor | None, Mapping[str, Tensor], int]:
        """The same with the gradients formed pass by pass: the activations of one pass exist at a time.

        A pass that does not fit in memory is read in halves. Automatic weights need the losses of the whole step first.

        Raises:
            DeviceError: a single window does not fit.
        """
        comparison, scales = self._comparison_now(), self._scales(windows)
        if comparison.inputs.automatic:
            return self.step(windows)
        inputs, head = comparison.zeros()
        for taken, group, counted in self._groups(comparison, windows):
            work = partial(self._formed, comparison, taken, scales, counted)
            for of_inputs, of_head in halving(work, group, self._said, whole=self.settings.shard):
                inputs, head = inputs + of_inputs, head + of_head
        return None, *self._done(comparison, inputs, head, windows)

    def _formed(
        self, comparison: Comparison, taken: Taken, scales: Scales, counted: float, windows: Sequence[Window]
    ) -> Losses:
        losses = taken(windows, scales)
        inputs = torch.stack([part for part, _ in losses]).sum(0) * counted
        head = torch.stack([part for _, part in losses]).sum() * counted
        total = comparison.inputs.combine(inputs) + head
        if total.requires_grad:
            parameters = list(self.rows.parameters())
            with part("backward"):
                # Not added up by backward itself: a pass that runs out of memory half-way must leave nothing behind.
                found = torch.autograd.grad(total, parameters, allow_unused=True)
            for parameter, gradient in zip(parameters, found, strict=True):
                if gradient is not None:
                    parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
        return inputs.detach(), head.detach()

    def _comparison_now(self) -> Comparison:
        return self.first if self.place < self.switch else self.main

    def _scales(self, windows: Sequence[Window]) -> Scales:
        return Scales.of(windows, self.composed.base_size, self.settings.position_decay)

    def _groups(self, comparison: Comparison, windows: Sequence[Window]) -> Iterator[tuple[Taken, list[Window], float]]:
        """Windows that are read together, what is taken of them, and what that counts.

        It counts 1, or 0 in a pass that is made because other processes make one.

        Of several processes each reads its share of the groups; the scales are those of the whole step.
        """
        taught = [window for window in windows if window.first_new < len(window.student)]
        plain = [window for window in windows if window.first_new == len(window.student)]
        length = comparison.reading.length
        for group, counted in self._own(like_lengths(taught, self._pass_tokens, length)):
            yield comparison.taught, group, counted
        for group, counted in self._own(like_lengths([] if comparison.heads.rests else plain, self._pass_tokens)):
            yield comparison.plain, group, counted

    def _own(self, groups: Sequence[list[Window]]) -> list[tuple[list[Window], float]]:
        """This process' share of the groups; where blocks are spread over processes, as many for each of them."""
        mine = [(group, 1.0) for group in processes.share(groups)]
        idle = even_passes(len(mine), len(groups)) if self.settings.shard else 0
        return mine + [(group, 0.0) for group in list(groups[:1]) * idle]

    def _done(
        self, comparison: Comparison, inputs: Tensor, head: Tensor, windows: Sequence[Window]
    ) -> tuple[dict[str, Tensor], int]:
        self.place += 1
        losses = {str(term): loss.detach() for term, loss in zip(comparison.inputs.terms, inputs, strict=True)}
        if not comparison.heads.rests:
            losses[comparison.heads.label] = head.detach()
        return losses, sum(len(window.teacher) for window in windows)
