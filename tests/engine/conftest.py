"""The plain way in float64: whole logits, whole tables, nothing shared, one window at a time."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tokengraft.config import DistillConfig
from tokengraft.init import initialise
from tokengraft.model import find_tables, grow
from tokengraft.model.checkpointing import checkpointed
from tokengraft.model.shared_prefix import sharing
from tokengraft.phases.engine import teacher_cache
from tokengraft.phases.objectives import position_weights
from tokengraft.phases.rows import RowsPhase
from tokengraft.phases.texts import training_windows

SETTINGS = DistillConfig(
    objective="kl", max_length=48, chunk=7, tokens_per_step=4000, refit_positions=0, teacher_cache="none"
)


@pytest.fixture
def grafted(any_model, extension):
    """Each tiny model in turn, grown by 30 tokens, its padding rows behind them."""
    grow(any_model, extension)
    initialise(any_model, extension)
    return any_model


@pytest.fixture
def windows(grafted, extension):
    """Windows of several lengths, with the first new token at several places, and one without any."""
    texts = [*extension.texts(count=5), [300, 5, 9, 301], [7, 8, 9, 10, 11, 12], [5, 9, 5, 9, 5, 310, 4]]
    return training_windows(grafted, extension, texts, SETTINGS)


def _engine_gradients(model, extension, windows, tmp_path, **changes):
    """(losses, gradients of the parameters) of one step by the engine, as a phase runs it."""
    settings = dataclasses.replace(SETTINGS, **changes)
    phase = RowsPhase(model, extension, settings, windows)
    longest = max(len(window.teacher) for window in windows)
    with (
        sharing(model), checkpointed(model, wanted=settings.gradient_checkpointing),
        teacher_cache(phase.main, windows, 10, tmp_path, 4000) as cache,
    ):  # fmt: skip
        phase.prepare(longest, cache)
        _, losses, _ = phase.form(windows)
    return losses, {name: value.grad for name, value in phase.rows.named_parameters()}, phase


def _plain_gradients(model, windows, base_size, size, *, temperature=1.0, decay=None, states=0.0):
    """(losses, gradients) by torch alone: KL and hidden MSE to the input rows, cross-entropy to the head's."""
    plain = copy.deepcopy(model).double().requires_grad_(requires_grad=True)
    tables = find_tables(plain)
    kl = cost = mse = torch.zeros((), dtype=torch.float64)
    weighed = predicted = 0.0
    for window in windows:
        student = plain(torch.from_numpy(window.student)[None], output_hidden_states=True)
        logits = student.logits[0, :, :size]
        # Of states without a graph: in a tied model the cost must not reach the input rows through the blocks.
        alone = tables.head(student.hidden_states[-1][0].detach())[:, :size]
        cap = getattr(plain.config, "final_logit_softcapping", None)
        alone = alone if cap is None else cap * torch.tanh(alone / cap)
        cost = cost + F.cross_entropy(alone[:-1], torch.from_numpy(window.student[1:]), reduction="sum")
        predicted += len(window.student) - 1
        if window.first_new == len(window.student):
            continue
        with torch.no_grad():
            teacher = plain(torch.from_numpy(window.teacher)[None], output_hidden_states=True)
        places, there = np.arange(window.first_new, len(window.student)), window.ends[window.first_new :]
        q = (logits[places, :base_size] / temperature).log_softmax(-1)
        p = (teacher.logits[0, there, :base_size] / temperature).log_softmax(-1)
        weight = torch.from_numpy(position_weights(window, base_size, decay)).double()
        kl = kl + (F.kl_div(q, p, reduction="none", log_target=True).sum(1) * weight).sum()
        ours, theirs = student.hidden_states[1][0, places], teacher.hidden_states[1][0, there]
        mse = mse + ((ours - theirs).square().mean(1) * weight).sum()
        weighed += float(weight.sum())
    total = kl / weighed + states * mse / weighed
    inputs = torch.autograd.grad(total, tables.input_weight, retain_graph=True)[0][base_size:size]
    head = torch.autograd.grad(cost / predicted, tables.head_weight, retain_graph=True)[0][base_size:size]
    return {"kl": kl / weighed, "hidden-mse@1": mse / weighed, "cross_entropy": cost / predicted}, inputs, head


@pytest.fixture
def engine_gradients(grafted, extension, windows, tmp_path):
    """(losses, gradients by name, phase) of one step by the engine; settings by name."""

    def run(model=None, **changes):
        return _engine_gradients(grafted if model is None else model, extension, windows, tmp_path, **changes)

    return run


@pytest.fixture
def plain_gradients(grafted, windows):
    """(losses, gradient of the input rows, of the head's) the plain way in float64."""

    def run(**changes):
        return _plain_gradients(grafted, windows, 300, 330, **changes)

    return run


@pytest.fixture
def engine_settings():
    """Settings of the tests' steps."""
    return SETTINGS
