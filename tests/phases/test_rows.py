"""The rows phase against a plain implementation, its frozen part, and its resumption."""

import copy

import pytest
import torch
from torch.nn import functional as F

from tokengraft.config import DistillConfig
from tokengraft.init import initialise
from tokengraft.model import NewRows, find_tables, grow
from tokengraft.model.tables import same_bits
from tokengraft.phases import rows as rows_phase
from tokengraft.phases.rows import RowsPhase
from tokengraft.phases.texts import training_windows
from tokengraft.training.loop import Journal

SETTINGS = DistillConfig(steps=12, tokens_per_step=256, max_length=48, chunk=7, checkpoint_every=5)


def distill(model, extension, texts, *, settings, **keywords):
    windows = training_windows(model, extension, texts, settings)
    return rows_phase.distill(model, extension, windows, settings=settings, **keywords)


@pytest.fixture
def grafted(any_model, extension):
    grow(any_model, extension)
    initialise(any_model, extension)
    return any_model


def plain_losses(model, windows, temperature):
    """Both losses by whole tables, whole logits and a loop over windows and positions."""
    tables = find_tables(model)
    kls, targets = [], []
    for window in windows:
        student = model(torch.from_numpy(window.student)[None]).logits[0]
        with torch.no_grad():
            teacher = model(torch.from_numpy(window.teacher)[None]).logits[0]
        for position in range(len(window.student)):
            if position >= window.first_new:
                q = F.log_softmax(student[position, :300] / temperature, -1)
                p = F.log_softmax(teacher[window.ends[position], :300] / temperature, -1)
                kls.append((p.exp() * (p - q)).sum())
            if position + 1 < len(window.student):
                hidden_free = F.cross_entropy(student[position, :330], torch.tensor(int(window.student[position + 1])))
                targets.append(hidden_free)
    del tables
    return torch.stack(kls).mean(), torch.stack(targets).mean()


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_same_gradients_as_the_plain_way(grafted, extension, temperature):
    settings = DistillConfig(objective="kl", max_length=48, chunk=7, temperature=temperature)
    windows = training_windows(grafted, extension, extension.texts(count=6), settings)
    phase = RowsPhase(grafted, extension, settings)
    loss, losses, _ = phase.step(windows)
    loss.backward()

    plain = copy.deepcopy(grafted).requires_grad_(requires_grad=True)
    tables = find_tables(plain)
    kl, ce = plain_losses(plain, windows, temperature)
    assert losses["kl"].item() == pytest.approx(kl.item(), rel=1e-4)
    assert losses["cross_entropy"].item() == pytest.approx(ce.item(), rel=1e-5)
    expected = input_gradient(plain, kl)
    if tables.tied:
        expected = expected + head_gradient(plain, windows, tables.embedding.weight)
        assert close(phase.rows.inputs.grad, expected)
    else:
        assert close(phase.rows.inputs.grad, expected)
        assert close(phase.rows.head.grad, head_gradient(plain, windows, tables.head.weight))
        if phase.rows.bias is not None:
            assert close(phase.rows.bias.grad, head_gradient(plain, windows, tables.head.bias))


def input_gradient(model, kl):
    """Gradient of the KL at the new input rows alone: logits of new tokens play no part in it."""
    weight = find_tables(model).embedding.weight
    return torch.autograd.grad(kl, weight, retain_graph=True)[0][300:330]


def head_gradient(model, windows, parameter):
    """Gradient of the cross-entropy at the head, its hidden states held fast."""
    total = count = 0
    for window in windows:
        ids = torch.from_numpy(window.student)
        with torch.no_grad():
            hidden = model.base_model(ids[None]).last_hidden_state[0, :-1]
        logits = find_tables(model).head(hidden)[:, :330]
        cap = getattr(model.config, "final_logit_softcapping", None)
        logits = logits if cap is None else cap * torch.tanh(logits / cap)
        total = total + F.cross_entropy(logits, ids[1:], reduction="sum")
        count += len(ids) - 1
    return torch.autograd.grad(total / count, parameter)[0][300:330]


def close(ours, plain):
    return (ours - plain).norm() <= 2e-5 * plain.norm() + 1e-9


def test_only_new_rows_move_and_both_losses_fall(grafted, extension):
    old = copy.deepcopy(grafted.state_dict())
    texts = extension.texts(count=60)
    outcome = distill(grafted, extension, texts, settings=SETTINGS, steps=40, rate_inputs=0.05, rate_head=0.05)
    tables = find_tables(grafted)
    for name, value in grafted.state_dict().items():
        if value.shape[:1] == (330,):
            assert same_bits(value[:300], old[name][:300]), name
        else:
            assert same_bits(value, old[name]), name
    assert not torch.equal(tables.input_weight[300:330], old_rows(old, tables, grafted))
    first = sum(step["kl"] + step["cross_entropy"] for step in outcome.losses[:5])
    last = sum(step["kl"] + step["cross_entropy"] for step in outcome.losses[-5:])
    assert last < first


def old_rows(state, tables, model):
    name = next(n for n, p in model.named_parameters() if p is tables.embedding.weight)
    return state[name][300:330]


def test_nothing_of_a_tables_size_is_trained(grafted, extension):
    phase = RowsPhase(grafted, extension, SETTINGS)
    loss, *_ = phase.step(training_windows(grafted, extension, extension.texts(count=4), SETTINGS))
    loss.backward()
    assert all(parameter.grad is None for parameter in grafted.parameters())
    assert all(parameter.shape[0] == 30 for parameter in phase.rows.parameters())


class StoppedError(Exception):
    """Stands for a kill between two steps."""


@pytest.mark.parametrize("stop", [1, 5, 8])
def test_a_stopped_phase_goes_on_to_the_same_bits(grafted, extension, tmp_path, stop):
    texts = extension.texts(count=30)
    whole = copy.deepcopy(grafted)
    distill(whole, extension, texts, settings=SETTINGS, seed=4)

    def log(_, **values):
        if values["step"] == stop:
            raise StoppedError

    journal = Journal(checkpoint=tmp_path / "checkpoint.safetensors")
    with pytest.raises(StoppedError):
        distill(
            copy.deepcopy(grafted), extension, texts, settings=SETTINGS, seed=4,
            journal=Journal(journal.checkpoint, log),
        )  # fmt: skip
    begins = []
    distill(
        grafted, extension, texts, settings=SETTINGS, seed=4, journal=Journal(journal.checkpoint, rewind=begins.append)
    )
    assert begins == [stop // 5 * 5 if stop % 5 else stop - 5]
    for name, value in grafted.state_dict().items():
        assert same_bits(value, whole.state_dict()[name]), name


def test_rows_are_rounded_to_what_will_be_stored(grafted, extension):
    distill(grafted, extension, extension.texts(), settings=SETTINGS, steps=2, stored=torch.bfloat16)
    rows = NewRows.read(grafted, 300, 330)
    assert torch.equal(rows.inputs, rows.inputs.bfloat16().float())


def test_text_without_new_tokens_leaves_the_input_rows_alone(grafted, extension):
    before = NewRows.read(grafted, 300, 330)
    distill(grafted, extension, [list(range(1, 30))], settings=SETTINGS, steps=3)
    after = NewRows.read(grafted, 300, 330)
    assert after.tied or torch.equal(after.inputs, before.inputs)
    assert not torch.equal(after.head, before.head)
