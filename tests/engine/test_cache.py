"""The teacher's answers on disk: whole or absent, of this model and these texts alone, and never in the way."""

import dataclasses
import errno
import json

import numpy as np
import pytest
import torch

from tokengraft.errors import RunFolderError
from tokengraft.model.shared_prefix import sharing
from tokengraft.phases.engine import kept_of, teacher_cache
from tokengraft.phases.rows import RowsPhase, distill
from tokengraft.training import teacher_cache as cache_module
from tokengraft.training.batches import pair


@pytest.fixture
def phase(grafted, extension, windows, engine_settings):
    settings = dataclasses.replace(engine_settings, teacher_cache="states", teacher_cache_dir=None)
    return RowsPhase(grafted, extension, settings, windows)


def keeping(phase, folder, **changes):
    phase.main = dataclasses.replace(
        phase.main, settings=dataclasses.replace(phase.settings, teacher_cache_dir=str(folder), **changes)
    )
    return phase.main


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_states_are_the_models_own(phase, windows, tmp_path):
    taught = [window for window in windows if window.first_new < len(window.student)]
    with teacher_cache(keeping(phase, tmp_path), windows, 1, None, 400) as cache:
        batch = pair(taught)
        states, top = cache.read(taught, batch)
    with torch.no_grad():
        theirs = phase.composed.hidden(batch.teacher).flatten(0, 1)
    assert top is None
    torch.testing.assert_close(states[batch.compared_teacher], theirs[batch.compared_teacher], rtol=1e-4, atol=1e-5)


def test_a_cache_serves_the_next_run_and_no_other(phase, windows, tmp_path, monkeypatch):
    with teacher_cache(keeping(phase, tmp_path), windows, 1, None, 400):
        [name] = files(tmp_path)

    def never(*_):
        raise AssertionError("made again")

    with monkeypatch.context() as patch:
        patch.setattr(cache_module, "_write", never)
        with teacher_cache(keeping(phase, tmp_path), windows, 1, None, 400):
            assert files(tmp_path) == [name]
    with torch.no_grad():
        next(parameter for key, parameter in phase.composed.model.named_parameters() if "norm" in key or "ln" in key)[
            0
        ] += 1
    with teacher_cache(keeping(phase, tmp_path), windows, 1, None, 400):
        assert len(files(tmp_path)) == 2


def test_new_rows_do_not_make_it_another_model(phase, grafted, extension, windows, tmp_path):
    with teacher_cache(keeping(phase, tmp_path), windows, 1, None, 400):
        pass
    with torch.no_grad():
        grafted.get_input_embeddings().weight[extension.base_size] += 1
    with teacher_cache(keeping(phase, tmp_path), windows, 1, None, 400):
        assert len(files(tmp_path)) == 1


def test_a_folder_of_that_name_with_something_else_is_refused(phase, windows, tmp_path):
    with teacher_cache(keeping(phase, tmp_path), windows, 1, None, 400):
        [folder] = tmp_path.iterdir()
    (folder / "cache.json").write_text(json.dumps({"key": "another"}))
    with pytest.raises(RunFolderError, match="another"), teacher_cache(keeping(phase, tmp_path), windows, 1, None, 400):
        pass


def test_above_the_limit_the_teacher_is_read_in_every_step(phase, windows, tmp_path, capsys):
    with teacher_cache(keeping(phase, tmp_path, teacher_cache_gib=1e-9), windows, 1, None, 400) as cache:
        assert cache is None
    assert files(tmp_path) == []
    assert "above the limit" in capsys.readouterr().err


def test_a_full_disk_leaves_nothing_and_the_run_goes_on(
    grafted, extension, windows, engine_settings, tmp_path, monkeypatch, capsys
):
    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(cache_module, "_reserve", full)
    settings = dataclasses.replace(
        engine_settings, teacher_cache="states", teacher_cache_dir=str(tmp_path), steps=3, tokens_per_step=200
    )
    outcome = distill(grafted, extension, windows, settings=settings)
    assert outcome.steps == 3
    assert files(tmp_path) == []
    assert "no space left" in capsys.readouterr().err


def test_a_cache_of_the_runs_own_goes_with_it(grafted, extension, windows, engine_settings, tmp_path):
    settings = dataclasses.replace(engine_settings, teacher_cache="states", steps=3, tokens_per_step=200)
    phase = RowsPhase(grafted, extension, settings, windows)
    with sharing(grafted), teacher_cache(phase.main, windows, 3, tmp_path, 200):
        assert len(files(tmp_path)) == 1
    assert files(tmp_path) == []


def test_what_cannot_be_kept_is_read(grafted, extension, windows, engine_settings):
    early = dataclasses.replace(engine_settings, objective="kl + hidden-mse@1")
    assert kept_of(RowsPhase(grafted, extension, early, windows).main, "states", everywhere=False) is None
    last = dataclasses.replace(engine_settings, objective="kl + hidden-mse")
    comparison = RowsPhase(grafted, extension, last, windows).main
    assert kept_of(comparison, "top-k", everywhere=False) is None
    assert kept_of(comparison, "states", everywhere=False).width == 32


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_bytes_on_disk_are_those_that_were_said(phase, windows, tmp_path, dtype):
    kept = dataclasses.replace(kept_of(phase.main, "states", everywhere=True), dtype=dtype)
    size = sum(map(kept.rows, windows)) * kept.bytes_per_position
    work = tmp_path / "x"
    work.mkdir()

    def answers(batch):
        with torch.no_grad():
            return phase.composed.hidden(batch.teacher).flatten(0, 1), None

    cache_module._write(work, kept, windows, answers)
    assert np.load(work / "states.npy", mmap_mode="r").nbytes == size
