"""Objectives on models: each beside a plain one by whole hidden states and whole logits."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.optim import LBFGS

from tokengraft.config import DistillConfig
from tokengraft.errors import ConfigError, ModelError
from tokengraft.init import initialise
from tokengraft.losses.fused_head import Head
from tokengraft.model import NewRows, find_tables, grow
from tokengraft.model.projection import find_projection
from tokengraft.model.rows import Composed
from tokengraft.phases.anchors import anchors
from tokengraft.phases.head import FitPlan, Remembered, refit_head
from tokengraft.phases.objectives import position_weights
from tokengraft.phases.pieces import piece_tree
from tokengraft.phases.row_settings import check_objectives
from tokengraft.phases.rows import RowsPhase, distill
from tokengraft.phases.texts import pieces_of, training_windows

SETTINGS = DistillConfig(objective="kl", max_length=48, chunk=7, tokens_per_step=400, refit_positions=0)


@pytest.fixture
def grafted(untied, extension):
    grow(untied, extension)
    initialise(untied, extension)
    return untied


def gradients(model, extension, windows, **changes):
    settings = dataclasses.replace(SETTINGS, **changes)
    phase = RowsPhase(model, extension, settings, windows)
    loss, losses, _ = phase.step(windows)
    loss.backward()
    return losses, phase.rows.inputs.grad, phase.rows.head.grad


def plain_input_gradient(model, windows, loss_of):
    """(value, gradient at the new input rows) of a loss of (student's outputs, teacher's, window)."""
    plain = copy.deepcopy(model).requires_grad_(requires_grad=True)
    total = count = 0
    for window in windows:
        student = plain(torch.from_numpy(window.student)[None], output_hidden_states=True)
        with torch.no_grad():
            teacher = plain(torch.from_numpy(window.teacher)[None], output_hidden_states=True)
        losses = loss_of(student, teacher, window)
        total, count = total + losses.sum(), count + len(losses)
    weight = find_tables(plain).input_weight
    return (total / count).item(), torch.autograd.grad(total / count, weight)[0][300:330]


@pytest.mark.parametrize("layer", [1, 2, -1])
@pytest.mark.parametrize("objective", ["hidden-mse", "hidden-cosine"])
def test_hidden_states_at_any_layer_are_those_of_transformers(grafted, extension, objective, layer):
    windows = training_windows(grafted, extension, extension.texts(count=5), SETTINGS)

    def compare(student, teacher, window):
        ours = student.hidden_states[layer][0][window.first_new :]
        theirs = teacher.hidden_states[layer][0][window.ends[window.first_new :]]
        return (ours - theirs).square().mean(1) if objective == "hidden-mse" else 1 - F.cosine_similarity(ours, theirs)

    taught = [window for window in windows if window.first_new < len(window.student)]
    value, plain = plain_input_gradient(grafted, taught, compare)
    losses, ours, _ = gradients(grafted, extension, windows, objective=f"{objective}@{layer}")
    assert losses[f"{objective}@{layer}"].item() == pytest.approx(value, rel=1e-4)
    assert (ours - plain).norm() <= 1e-4 * plain.norm()


def test_the_first_piece_anchor_asks_for_the_second_piece(grafted, extension):
    windows = training_windows(grafted, extension, extension.texts(count=5), SETTINGS)

    def compare(student, teacher, window):
        starts = [0, *(end + 1 for end in window.ends[:-1])]
        q = student.logits[0, window.first_new :, :300].log_softmax(-1)
        p = teacher.logits[0, starts[window.first_new :], :300].log_softmax(-1)
        return (p.exp() * (p - q)).sum(-1)

    taught = [window for window in windows if window.first_new < len(window.student)]
    _, plain = plain_input_gradient(grafted, taught, compare)
    _, ours, _ = gradients(grafted, extension, windows, anchor="first-piece")
    assert (ours - plain).norm() <= 1e-4 * plain.norm()
    window = taught[0]
    old = window.student < 300
    assert np.array_equal(anchors.get("first-piece")(window)[old], window.ends[old]), "old tokens stay where they are"


def test_cross_entropy_for_the_input_rows(grafted, extension):
    windows = training_windows(grafted, extension, extension.texts(count=5), SETTINGS)
    plain = copy.deepcopy(grafted).requires_grad_(requires_grad=True)
    total = count = 0
    for window in windows:
        if window.first_new < len(window.student):
            logits = plain(torch.from_numpy(window.student)[None]).logits[0, window.first_new : -1, :330]
            targets = torch.from_numpy(window.student[window.first_new + 1 :])
            total = total + F.cross_entropy(logits, targets, reduction="sum")
            count += len(window.student) - window.first_new
    expected = torch.autograd.grad(total / count, find_tables(plain).input_weight)[0][300:330]
    _, ours, _ = gradients(grafted, extension, windows, objective="ce")
    assert (ours - expected).norm() <= 1e-4 * expected.norm()


def test_a_sum_is_the_sum_of_its_parts(grafted, extension):
    windows = training_windows(grafted, extension, extension.texts(count=5), SETTINGS)
    names = ("kl", "hidden-mse@1", "hidden-mse", "ce")
    parts = {name: gradients(grafted, extension, windows, objective=name) for name in names}
    _, mixed, _ = gradients(grafted, extension, windows, objective="2*kl + 0.5*hidden-mse@1")
    assert torch.allclose(mixed, 2 * parts["kl"][1] + 0.5 * parts["hidden-mse@1"][1], atol=1e-7)
    _, mixed, _ = gradients(grafted, extension, windows, objective=DistillConfig().objective)
    by_hand = 0.5 * parts["kl"][1] + 0.5 * parts["hidden-mse"][1] + 0.1 * parts["ce"][1]
    assert torch.allclose(mixed, by_hand, atol=1e-6), "the default"
    _, mixed, _ = gradients(grafted, extension, windows, objective="hidden-mse@1 + auto*ce")
    share = (parts["hidden-mse@1"][0]["hidden-mse@1"] / parts["ce"][0]["ce"]).item()
    assert torch.allclose(mixed, parts["hidden-mse@1"][1] + share * parts["ce"][1], atol=1e-7)


def test_position_weights_fall_with_the_distance_from_a_new_token(grafted, extension):
    [window] = training_windows(grafted, extension, [[5, 6, 301, 7, 8, 302, 9]], SETTINGS)
    weights = position_weights(window, 300, 2.0)
    assert np.allclose(weights, np.exp(-np.array([0, 1, 2, 0, 1]) / 2))
    assert np.array_equal(position_weights(window, 300, None), np.ones(5))
    windows = training_windows(grafted, extension, extension.texts(count=5), SETTINGS)

    def compare(student, teacher, window):
        q = student.logits[0, window.first_new :, :300].log_softmax(-1)
        p = teacher.logits[0, window.ends[window.first_new :], :300].log_softmax(-1)
        return (p.exp() * (p - q)).sum(-1) * torch.from_numpy(position_weights(window, 300, 3.0))

    taught = [window for window in windows if window.first_new < len(window.student)]
    _, plain = plain_input_gradient(grafted, taught, compare)
    _, ours, _ = gradients(grafted, extension, windows, position_decay=3.0)
    scale = sum(len(position_weights(w, 300, 3.0)) for w in taught) / sum(
        position_weights(w, 300, 3.0).sum() for w in taught
    )
    assert (ours - scale * plain).norm() <= 1e-4 * (scale * plain).norm()


def test_the_first_objective_gives_way_at_its_share_also_after_a_stop(grafted, extension):
    windows = training_windows(grafted, extension, extension.texts(count=20), SETTINGS)
    outcome = distill(
        grafted, extension, windows, settings=SETTINGS, steps=5, first_objective="hidden-mse@1", first_share=0.4
    )
    assert [("kl" in step, "hidden-mse@1" in step) for step in outcome.losses] == [(False, True)] * 2 + [
        (True, False)
    ] * 3


def test_the_share_of_the_first_objective_is_one_of_the_steps_that_passes_over_the_text_make(grafted, extension):
    windows = training_windows(grafted, extension, extension.texts(count=20), SETTINGS)
    settings = dataclasses.replace(SETTINGS, epochs=2.0, first_objective="hidden-mse", first_share=0.5)
    done = distill(grafted, extension, windows, settings=settings)
    assert done.steps > 2
    assert ["kl" in step for step in done.losses] == [place >= done.steps // 2 for place in range(done.steps)]


def test_a_part_of_the_objective_first_is_the_same_with_kept_answers(grafted, extension):
    windows = training_windows(grafted, extension, extension.texts(count=20), SETTINGS)
    changes = {"objective": "kl + hidden-mse", "first_objective": "hidden-mse", "first_share": 0.5, "steps": 4}
    rows = {}
    for cache in ("none", "states"):
        model = copy.deepcopy(grafted)
        distill(model, extension, windows, settings=SETTINGS, teacher_cache=cache, **changes)
        rows[cache] = NewRows.read(model, 300, 330).inputs
    assert torch.allclose(rows["none"], rows["states"], atol=1e-6)


def soft_by_hand(model, tree, window):
    """p(new | context) for every student position, token by token and piece by piece."""
    with torch.no_grad():
        log_p = model(torch.from_numpy(window.teacher)[None]).logits[0, :, :300].log_softmax(-1)
    full = torch.zeros(len(window.student), 30)
    for position, end in enumerate(window.ends):
        for token in range(30):
            pieces = [piece for piece in tree.pieces[token].tolist() if piece >= 0]
            total, alive = 0.0, True
            for depth, piece in enumerate(pieces):
                if alive:
                    total += float(log_p[end + depth, piece])
                    beyond = end + depth + 1
                    alive = beyond < len(window.teacher) and window.teacher[beyond] == piece
                else:
                    total += float(tree.tails[token, depth])
            full[position, token] = np.exp(total)
    for token, parent in enumerate(tree.parent.tolist()):
        if parent >= 0:
            full[:, parent] -= full[:, token]
    return full


def test_chain_rule_gradients_are_student_minus_teacher(grafted, extension):
    windows = training_windows(grafted, extension, extension.texts(count=4), SETTINGS)
    settings = dataclasses.replace(SETTINGS, head_objective="chain-rule")
    phase = RowsPhase(grafted, extension, settings, windows)
    phase.step(windows)[0].backward()
    gradient, count = torch.zeros(30, 32), 0
    for window in windows:
        ids = torch.from_numpy(window.student)
        with torch.no_grad():
            hidden = grafted.base_model(ids[None]).last_hidden_state[0]
            logits = find_tables(grafted).head(hidden)[:, :330]
        soft = soft_by_hand(grafted, phase.main.tree, window)
        difference = (logits.softmax(1)[:, 300:] - soft)[:-1]
        gradient += difference.T @ hidden[:-1]
        count += len(ids) - 1
    assert (phase.rows.head.grad - gradient / count).norm() <= 1e-4 * (gradient / count).norm()


def test_the_closing_fit_with_soft_targets_lowers_the_soft_loss(grafted, extension):
    windows = training_windows(grafted, extension, extension.texts(count=60), SETTINGS)
    rows = NewRows.read(grafted, 300, 330)
    composed = Composed(grafted, rows, 300)
    head = Head(composed.base_head, composed.base_bias, find_projection(grafted))
    tree = piece_tree(composed, head, pieces_of(extension, windows), windows)
    mass = {}
    for share in (0.0, 1.0):
        with torch.no_grad():
            rows.head.copy_(find_tables(grafted).head_weight[300:330])
        fit = refit_head(composed, head, windows, (), FitPlan(2000, 15, 1e-3, 0.0, share), 0, tree)
        assert fit.after < fit.before
        mass[share] = mean_mass(grafted, rows, windows)
    truth = float(np.mean(np.concatenate([window.student[1:] >= 300 for window in windows])))
    taught = float(torch.cat([soft_by_hand(grafted, tree, window)[:-1].sum(1) for window in windows]).mean())
    assert abs(mass[1.0] - taught) < abs(mass[0.0] - taught), "the teacher's mass, not the text's"
    assert abs(mass[0.0] - truth) < abs(mass[1.0] - truth)


def test_what_was_just_evaluated_is_not_evaluated_again():
    """The same minimum, the same path, half of the evaluations."""

    def solve(remember):
        point, asked = torch.tensor([3.0, -2.0], requires_grad=True), []

        def closure():
            asked.append(point.detach().clone())
            point.grad = None
            loss = (point - torch.tensor([1.0, 2.0])).square().mul(torch.tensor([1.0, 9.0])).sum() + point.pow(4).sum()
            loss.backward()
            return loss.item()

        solver = LBFGS([point], lr=1, max_iter=1, history_size=10, line_search_fn="strong_wolfe")
        ask = Remembered([point], closure) if remember else closure
        path = []
        for _ in range(12):
            solver.step(ask)
            path.append(point.detach().clone())
        return torch.stack(path), len(asked)

    (plain, plainly), (path, asked) = solve(remember=False), solve(remember=True)
    assert torch.equal(path, plain)
    assert asked <= plainly - 10


def mean_mass(model, rows, windows):
    total = count = 0
    for window in windows:
        with torch.no_grad():
            hidden = model.base_model(torch.from_numpy(window.student)[None]).last_hidden_state[0, :-1]
            old = hidden @ find_tables(model).head_weight[:300].T
            new = hidden @ rows.head.detach().T
        total += float(torch.cat([old, new], 1).softmax(1)[:, 300:].sum())
        count += len(hidden)
    return total / count


@pytest.mark.parametrize("objective", ["kl", "0.5*ce + 0.5*hidden-mse@1"])
@pytest.mark.parametrize("head", ["ce", "0.5*ce + 0.5*chain-rule"])
def test_on_tied_tables_one_row_gets_both_gradients(extension, any_model, objective, head):
    """They are added: L = L(inputs) + L(head), each a mean over its positions, as the weights of the sums have it."""
    grow(any_model, extension)
    initialise(any_model, extension)
    if not find_tables(any_model).tied:
        pytest.skip("its tables are not tied")
    windows = training_windows(any_model, extension, extension.texts(count=4), SETTINGS)
    _, both, _ = gradients(any_model, extension, windows, objective=objective, head_objective=head)
    settings = dataclasses.replace(SETTINGS, objective=objective, head_objective=head)
    phase = RowsPhase(any_model, extension, settings, windows)
    inputs, heads = (
        sum(parts) for parts in zip(*phase.main.taught(taught_of(windows), scales_of(windows)), strict=True)
    )
    rows = phase.rows.inputs
    [of_inputs] = torch.autograd.grad(phase.main.inputs.combine(inputs), rows, retain_graph=True)
    [of_head] = torch.autograd.grad(heads, rows)
    plain = sum(
        torch.autograd.grad(phase.main.plain([window], scales_of(windows))[1], rows)[0]
        for window in windows if window.first_new == len(window.student)
    )  # fmt: skip
    assert of_inputs.abs().max() > 0
    assert of_head.abs().max() > 0
    assert torch.allclose(both, of_inputs + of_head + plain, atol=1e-6)


def taught_of(windows):
    return [window for window in windows if window.first_new < len(window.student)]


def scales_of(windows):
    from tokengraft.phases.objectives import Scales

    return Scales.of(windows, 300, None)


def test_pieces_can_be_read_off_the_windows(grafted, extension):
    windows = training_windows(grafted, extension, extension.texts(count=60), SETTINGS)

    class Bare:
        base_size, size = 300, 330

    found = pieces_of(Bare, windows)
    shown = {int(number) for window in windows for number in window.student if number >= 300}
    assert shown
    for number in shown:
        assert found[number - 300] == extension.new_tokens[number - 300].pieces


@pytest.mark.parametrize("settings", [{"objective": "kx"}, {"head_objective": "soft"}, {"first_objective": "kl@1"}])
def test_objectives_are_checked_before_any_work(settings):
    with pytest.raises(ConfigError):
        check_objectives(DistillConfig(**settings))
    with pytest.raises(ConfigError, match="anchor"):
        check_objectives(DistillConfig(anchor="middle"))
    with pytest.raises(ConfigError, match="made by one process"):
        check_objectives(DistillConfig(shard=True, teacher_cache="states"))
    for more in ({}, {"objective": "kl", "anchor": "first-piece"}, {"objective": "kl", "head_objective": "chain-rule"}):
        with pytest.raises(ConfigError, match="top-k"):
            check_objectives(DistillConfig(teacher_cache="top-k", **more))
    check_objectives(DistillConfig(teacher_cache="top-k", objective="kl"))


def test_a_layer_that_is_not_there_is_refused(grafted, extension):
    windows = training_windows(grafted, extension, extension.texts(count=4), SETTINGS)
    with pytest.raises(ModelError, match="layer 7 of a model of 2 blocks"):
        gradients(grafted, extension, windows, objective="hidden-mse@7")
