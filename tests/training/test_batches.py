"""Order and size of batches: every window once an epoch, the same from any step, no more tokens than asked."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokengraft.config import DistillConfig
from tokengraft.init import initialise
from tokengraft.model import grow
from tokengraft.phases.rows import RowsPhase
from tokengraft.tokenizer import Decomposition
from tokengraft.training.batches import batches_from, epoch_batches, mixed_batches
from tokengraft.training.windows import collect_windows, make_window

BASE = 300
PARTS = Decomposition.from_pieces(BASE, [(1, 2), (3, 4, 5)])


def windows_of(sizes):
    return [make_window(np.arange(1, size + 1), PARTS, BASE) for size in sizes]


sizes = st.lists(st.integers(1, 50), min_size=1, max_size=120)
seeds = st.integers(0, 2**32 - 1)


def padded(batch):
    return len(batch) * max(len(window.teacher) for window in batch)


@given(sizes, st.integers(1, 400), seeds, st.integers(0, 5))
def test_an_epoch_holds_every_window_once(sizes, tokens, seed, epoch):
    windows = windows_of(sizes)
    batches = epoch_batches(windows, tokens, seed, epoch)
    assert sorted(id(window) for batch in batches for window in batch) == sorted(map(id, windows))


@given(sizes, st.integers(1, 400), seeds)
def test_no_batch_has_more_tokens_than_asked_unless_one_window_has(sizes, tokens, seed):
    for batch in epoch_batches(windows_of(sizes), tokens, seed, 0):
        assert padded(batch) <= tokens or len(batch) == 1


def test_batches_are_well_filled():
    windows = windows_of(np.random.default_rng(0).integers(1, 50, 2000))
    batches = epoch_batches(windows, 400, 0, 0)
    real = sum(len(window.teacher) for window in windows)
    assert real / sum(map(padded, batches)) > 0.9, "little is spent on padding"
    assert real / (400 * len(batches)) > 0.8


def test_order_depends_on_seed_and_epoch_alone():
    windows = windows_of([1, 5, 9] * 40)

    def order(seed, epoch):
        return [[id(window) for window in batch] for batch in epoch_batches(windows, 60, seed, epoch)]

    assert order(3, 1) == order(3, 1)
    assert order(3, 1) != order(3, 2)
    assert order(3, 1) != order(4, 1)


def identities(batches):
    return [[id(window) for window in batch] for batch in batches]


@given(sizes, st.integers(1, 400), seeds, st.integers(0, 60))
def test_any_step_can_be_found_again(sizes, tokens, seed, step):
    windows = windows_of(sizes)
    whole = islice(batches_from(windows, tokens, seed, 0), step, step + 20)
    assert identities(whole) == identities(islice(batches_from(windows, tokens, seed, step), 20))


@given(sizes, sizes, st.integers(4, 400), st.floats(0.05, 0.9), seeds, st.integers(0, 20))
def test_replay_takes_its_share_and_any_step_can_be_found_again(sizes, others, tokens, share, seed, step):
    windows, replay = windows_of(sizes), windows_of(others)
    again = set(map(id, replay))
    whole = list(islice(mixed_batches(windows, replay, tokens, share, seed, 0), step + 5))
    for batch in whole:
        old = [window for window in batch if id(window) in again]
        new = [window for window in batch if id(window) not in again]
        assert old
        assert new
        assert padded(old) <= tokens * share or len(old) == 1
        assert padded(new) <= tokens - int(tokens * share) or len(new) == 1
    assert identities(whole[step:]) == identities(islice(mixed_batches(windows, replay, tokens, share, seed, step), 5))


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_replay_makes_up_its_share_in_the_long_run(share):
    draw = np.random.default_rng(1)
    windows, replay = windows_of(draw.integers(2, 40, 600)), windows_of(draw.integers(2, 40, 600))
    again = set(map(id, replay))
    batches = list(islice(mixed_batches(windows, replay, 800, share, 0, 0), 200))
    tokens = [(id(window) in again, len(window.teacher)) for batch in batches for window in batch]
    found = sum(size for old, size in tokens if old) / sum(size for _, size in tokens)
    assert found == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize(("replay", "share"), [([], 0.5), ([3, 4], 0.0)])
def test_without_replay_or_share_batches_are_those_of_the_domain(replay, share):
    windows = windows_of(range(1, 30))
    mixed = mixed_batches(windows, windows_of(replay), 60, share, 2, 3)
    assert identities(islice(mixed, 20)) == identities(islice(batches_from(windows, 60, 2, 3), 20))


@pytest.mark.parametrize("any_model", ["llama-untied"], indirect=True)
def test_no_pass_of_a_step_reads_more_than_tokens_per_step(any_model, extension):
    """Short windows of the domain beside a long one of replay, new tokens in both: padded alike they burst it."""
    grow(any_model, extension)
    initialise(any_model, extension)
    domain = collect_windows(extension.texts(count=300, length=12), extension.decomposition, [0], 60, BASE)
    replay = collect_windows(extension.texts(count=60, length=60), extension.decomposition, [0], 60, BASE)
    settings = DistillConfig(tokens_per_step=512, max_length=60)
    phase = RowsPhase(any_model, extension, settings)
    passes = []
    any_model.base_model.register_forward_pre_hook(
        lambda _, __, values: passes.append(values["inputs_embeds"].shape[:2].numel()), with_kwargs=True
    )
    for batch in islice(mixed_batches(domain, replay, 512, 0.25, 0, 0), 12):
        phase.step(batch)
    assert max(passes) <= 512
