"""What the engine does beside the gradients: obstacles, memory budgets, profiles, windows around new tokens."""

import copy
import dataclasses
from collections import Counter

import numpy as np
import pytest
import torch

from tokengraft.config import DistillConfig
from tokengraft.errors import ConfigError, CorpusError, DeviceError, ModelError
from tokengraft.model import find_tables
from tokengraft.model.activations import Shape
from tokengraft.model.shared_prefix import NAMES, obstacle, sharing
from tokengraft.phases.engine import pass_tokens
from tokengraft.phases.row_settings import check_objectives
from tokengraft.phases.rows import RowsPhase, distill, ready
from tokengraft.phases.texts import reads_around
from tokengraft.training.around import Reach, around
from tokengraft.training.memory import halving
from tokengraft.training.profile import Profile, part, profiling, step


def test_a_prefix_is_found_to_be_needed(grafted):
    if grafted.config.model_type == "gptj":
        with sharing(grafted):
            assert "differ" in obstacle(grafted, 64)
        return
    own = grafted.config._attn_implementation
    assert "sdpa or eager" in obstacle(grafted, 64)
    with sharing(grafted):
        assert obstacle(grafted, 64) == ""
        assert grafted.config._attn_implementation == NAMES[own]
    assert grafted.config._attn_implementation == own


def test_short_sliding_windows_are_an_obstacle(grafted):
    if grafted.config.model_type != "gemma2":
        pytest.skip("its attention reaches back to the beginning")
    with sharing(grafted):
        assert obstacle(grafted, 64) == ""
        assert "64 tokens" in obstacle(grafted, 65)


def test_outside_a_phase_a_model_is_as_it_was(grafted, extension, windows, engine_settings):
    ids = torch.arange(1, 9)[None]
    before = copy.deepcopy(grafted)
    distill(
        grafted, extension, windows, settings=dataclasses.replace(engine_settings, steps=2, gradient_checkpointing=True)
    )
    assert torch.equal(grafted(ids).logits[..., :300], before(ids).logits[..., :300])
    assert grafted.config._attn_implementation == before.config._attn_implementation
    assert not any("forward" in vars(module) for module in grafted.modules())


def test_a_budget_too_small_names_one_that_would_do(grafted, extension, windows, engine_settings):
    settings = dataclasses.replace(engine_settings, memory_gib=1e-6)
    phase = RowsPhase(grafted, extension, settings, windows)
    with pytest.raises(ConfigError, match="memory_gib"), ready(phase, windows, (), 1):
        pass


@pytest.mark.parametrize(
    ("checkpointing", "longest", "tokens"), [(True, 512, 8192), (True, 12_000, 12_000), (False, 512, 20_000)]
)
def test_a_pass_is_smaller_where_blocks_are_computed_twice(checkpointing, longest, tokens):
    settings = DistillConfig(tokens_per_step=20_000, gradient_checkpointing=checkpointing)
    assert pass_tokens(None, settings, 300, longest) == tokens


def test_kept_bytes_are_those_of_autograd(grafted):
    """The arithmetic is a Llama's in bfloat16; others are near enough for a budget."""
    if grafted.config.model_type != "llama":
        pytest.skip("the arithmetic is a Llama's")
    model = grafted.bfloat16()
    vectors = torch.randn(2, 40, 32, dtype=torch.bfloat16, requires_grad=True)
    kept = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        model.base_model(inputs_embeds=vectors, use_cache=False)
    per_token = sum(size for place, size in kept.items() if place not in weights) / 80
    assert per_token == pytest.approx(Shape.of(model).bytes_per_token(), rel=0.15)


def test_what_does_not_fit_is_read_in_halves(capsys):
    def work(windows):
        if len(windows) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return list(windows)

    class One:
        teacher = np.arange(3)

    windows, said = [One() for _ in range(7)], set()
    assert [each for group in halving(work, windows, said) for each in group] == windows
    halving(work, windows, said)
    assert capsys.readouterr().err.count("in halves") == 1
    with pytest.raises(DeviceError, match="21 base tokens, by blocks that several processes hold"):
        halving(work, windows, said, whole=True)


def test_a_window_that_does_not_fit_alone_is_named():
    def work(_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    class One:
        teacher = np.arange(3)

    with pytest.raises(DeviceError, match="one window of 3"):
        halving(work, [One()], set())


def test_other_errors_are_not_taken_for_it():
    def work(_):
        raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape"):
        halving(work, [1, 2], set())


def test_a_profile_says_where_a_step_went(grafted, extension, windows, engine_settings):
    profile = Profile(torch.device("cpu"))
    with profiling(profile):
        distill(grafted, extension, windows, settings=dataclasses.replace(engine_settings, steps=3))
    rows = {row["part"]: row for row in profile.table()}
    assert {"teacher", "student", "losses", "backward", "optimiser", "rest"} == set(rows)
    assert sum(row["share"] for row in rows.values()) == pytest.approx(1)
    assert profile.steps == 3
    with part("student"), step():
        pass
    assert profile.steps == 3


@pytest.mark.parametrize("minimum", [0, 6])
def test_every_new_token_gets_its_share(extension, windows, minimum):
    found = around(windows, extension.decomposition, [0], Reach(4, 6, 3, minimum), 300)
    counts = Counter(int(i) for window in windows for i in window.student if i >= 300)
    taken = Counter(int(i) for window in found for i in window.student if i >= 300)
    assert set(taken) == set(counts)
    assert all(taken[token] >= max(min(counts[token], 1), minimum) for token in counts)
    for window in found:
        assert window.student[0] == 0
        places = np.flatnonzero(window.student >= 300)
        assert np.array_equal(extension.decomposition.flatten(window.student), window.teacher)
        assert window.first_new == places[0]


def test_mere_steps_get_no_window_of_their_own(extension, windows):
    """A token that hardly any text reads is read where it stands beside others, and never again for its own sake."""
    counts = Counter(int(i) for window in windows for i in window.student if i >= 300)
    most, spared = counts.most_common(1)[0][0], frozenset(token for token in counts if counts[token] == 1)
    found = around(windows, extension.decomposition, [0], Reach(0, 1, 3, 5, frozenset(counts) - {most}), 300)
    assert all(most in window.student for window in found)
    again = around(windows, extension.decomposition, [0], Reach(4, 6, 3, 5, spared), 300)
    taken = Counter(int(i) for window in again for i in window.student if i >= 300)
    assert all(taken[token] >= 5 for token in counts if token not in spared)


def test_a_tied_head_at_rest_is_said(grafted, extension, windows, engine_settings, capsys):
    distill(grafted, extension, windows, settings=dataclasses.replace(engine_settings, steps=1, head_objective="none"))
    assert ("while the head rests" in capsys.readouterr().err) == find_tables(grafted).tied


def test_windows_around_reach_as_far_as_they_are_told(extension):
    from tokengraft.training.windows import make_window

    ids = np.array([0, *range(1, 41), 300, *range(1, 61)])
    [found] = around(
        [make_window(ids, extension.decomposition, 300)], extension.decomposition, [0], Reach(16, 32, 9, 0), 300
    )
    place = found.first_new
    assert place == 17  # the prefix and 16 before it
    assert len(found.student) - place - 1 == 32
    assert np.array_equal(found.student[place:], ids[41:74])


def test_the_head_learns_from_whole_text_there(grafted, extension, windows, engine_settings):
    from tokengraft.phases.texts import training_text

    settings = dataclasses.replace(engine_settings, windows="around", window_before=4, window_after=6)
    taught, others, _ = training_text(grafted, extension, windows, windows[:1], settings, 0)
    assert all(window.first_new == len(window.student) for window in others[: len(windows)])
    assert max(len(window.student) for window in taught) < max(len(window.student) for window in windows)
    resting = dataclasses.replace(settings, head_objective="none", replay_share=0.5)
    _, others, changed = training_text(grafted, extension, windows, windows[:1], resting, 0)
    assert (others, changed.replay_share) == ((), 0.0)
    distill(grafted, extension, windows, windows[:1], settings=dataclasses.replace(settings, steps=3))


def test_short_windows_are_read_where_new_tokens_are_rare_and_nothing_speaks_against_it(extension):
    from tokengraft.training.windows import make_window

    rare, dense = (
        [make_window(np.array([0, *([5, 6] * count), 300]), extension.decomposition, 300)] for count in (12, 3)
    )
    usual = DistillConfig()
    assert usual.windows == "auto"
    assert reads_around(usual, rare, 300)  # 1 of 26
    assert not reads_around(usual, dense, 300)  # 1 of 8
    assert not reads_around(usual, [make_window(np.array([0, 5, 6]), extension.decomposition, 300)], 300)
    for changes in ({"head_objective": "0.5*ce + 0.5*chain-rule"}, {"snippet": 20}, {"generated": 3}):
        changed = dataclasses.replace(usual, **changes)
        check_objectives(changed)
        assert not reads_around(changed, rare, 300)
    assert reads_around(dataclasses.replace(usual, windows="around"), dense, 300)
    assert not reads_around(dataclasses.replace(usual, windows="documents"), rare, 300)


def test_settings_that_do_not_go_together(engine_settings):
    for changes in ({"head_objective": "chain-rule"}, {"snippet": 20}):
        with pytest.raises(ConfigError):
            check_objectives(dataclasses.replace(engine_settings, windows="around", **changes))


def test_text_without_new_tokens_has_no_windows_around_them(grafted, extension, engine_settings):
    from tokengraft.phases.texts import training_windows

    plain = training_windows(grafted, extension, [[1, 2, 3, 4, 5]], engine_settings)
    with pytest.raises(CorpusError, match="without a new token"):
        distill(grafted, extension, plain, settings=dataclasses.replace(engine_settings, windows="around", steps=1))


def test_nan_in_the_base_is_named_before_training(grafted, extension, windows, engine_settings):
    with torch.no_grad():
        grafted.get_input_embeddings().weight[3] = float("nan")
    with pytest.raises(ModelError, match="nan"):
        distill(grafted, extension, windows, settings=dataclasses.replace(engine_settings, steps=1))
