"""Milliseconds of a step, way by way, each on the same batches in turn."""

import copy
import dataclasses
import statistics
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch.nn import functional as F

from tokengraft.config import DistillConfig
from tokengraft.evaluation.plain import plain_optimizer, plain_step
from tokengraft.model.rows import Composed, NewRows, frozen
from tokengraft.model.shared_prefix import sharing
from tokengraft.phases.engine import teacher_cache
from tokengraft.phases.rows import RowsPhase
from tokengraft.training.batches import pair

from .material import grown

ENGINE = {
    "fused loss, head where it is asked": {"share_prefix": False},
    "shared prefix": {},
    "teacher's states cached": {"teacher_cache": "states"},
    "teacher's 64 largest logits cached": {"teacher_cache": "top-k"},
    "the same, head left to the closing fit": {"teacher_cache": "top-k", "head_objective": "none"},
}
"""The engine's steps, each of them with those before it (of the caches, the second takes the first one's place)."""


class Plain:
    """Resized tables that train as a whole, whole logits, AdamW: `evaluation.plain`."""

    def __init__(self, model, extension, _):
        self.model, self.extension = copy.deepcopy(model), extension
        self.optimizer = plain_optimizer(self.model)

    def step(self, windows):
        plain_step(self.model, pair(windows), self.optimizer, self.extension.base_size, self.extension.size)


class OwnRows:
    """The first step from there: rows that train alone, everything else as before."""

    def __init__(self, model, extension, _):
        self.extension = extension
        self.rows = NewRows.read(model, extension.base_size, extension.size)
        self.composed = Composed(model, self.rows, extension.base_size)
        self.optimizer = torch.optim.Adam(self.rows.parameters(), lr=1e-4)

    def step(self, windows):
        batch, size = pair(windows), self.extension.base_size
        table = self.composed.base_head
        hidden = self.composed.hidden(batch.student).flatten(0, 1)
        with torch.no_grad():
            teacher = (self.composed.hidden(batch.teacher).flatten(0, 1) @ table.T).float()
        old = (hidden @ table.T).float()
        q, p = old[batch.compared].log_softmax(-1), teacher[batch.compared_teacher].log_softmax(-1)
        kl = F.kl_div(q, p, reduction="batchmean", log_target=True)
        new = (hidden.detach() @ self.rows.head.T.to(hidden.dtype)).float()
        targets = torch.full((len(hidden),), -100)
        targets[batch.compared], targets[batch.before] = batch.compared_targets, batch.before_targets
        (kl + F.cross_entropy(torch.cat([old.detach(), new], 1), targets)).backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        assert size == len(table)


class Engine:
    """The engine with some settings; a cache is made before the clock runs."""

    def __init__(self, model, extension, windows, **changes):
        settings = dataclasses.replace(
            DistillConfig(objective="kl", teacher_cache="none", refit_positions=0, tokens_per_step=10**9), **changes
        )
        self.stack = ExitStack()
        self.stack.enter_context(frozen(model))
        self.phase = RowsPhase(model, extension, settings, windows)
        self.stack.enter_context(sharing(model))
        folder = Path(self.stack.enter_context(TemporaryDirectory()))
        cache = self.stack.enter_context(teacher_cache(self.phase.main, windows, 1, folder, 10**9))
        self.phase.prepare(max(len(window.teacher) for window in windows), cache)
        self.optimizers = self.phase.optimizers()

    def step(self, windows):
        self.phase.form(windows)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)


def ways(model, extension, windows, *, dtype):
    """Every way by name, ready to step, in one dtype."""
    model = grown(model, extension) if model.get_input_embeddings().weight.shape[0] < extension.size else model
    model = model.to(dtype)
    kind = str(dtype).removeprefix("torch.")
    found = {
        f"plain, {kind}": Plain(model, extension, windows),
        f"rows alone, {kind}": OwnRows(model, extension, windows),
    }
    for name, changes in ENGINE.items():
        found[f"{name}, {kind}"] = Engine(copy.deepcopy(model).to(dtype), extension, windows, **changes)
    return found


def timed(found, batches, *, rounds, warm_up=1):
    """Seconds of each way by round; a round is one step of each on the same batch, one way after the other."""
    times = {name: [] for name in found}
    for number in range(rounds + warm_up):
        for name, way in found.items():
            batch = batches[number % len(batches)]
            begun = time.perf_counter()
            way.step(batch)
            if number >= warm_up:
                times[name].append(time.perf_counter() - begun)
    return times


def table(times, positions, reference):
    """Rows of (way, milliseconds a position, times as fast as the reference): medians, of ratios by round."""
    return [
        {
            "way": name,
            "ms": 1000 * statistics.median(seconds) / positions,
            "ratio": statistics.median(r / s for r, s in zip(times[reference], seconds, strict=True)),
        }
        for name, seconds in times.items()
    ]
