"""The run folder: claimed, locked, resumed, refused, and never half-written."""

import errno
import json
import multiprocessing
from pathlib import Path

import pytest

from tokengraft import atomic
from tokengraft.artifacts import RunFolder
from tokengraft.errors import RunFolderError

CONFIG = {"model": "m", "seed": 0, "out": "here", "tokens": {"size": 5}}


def test_stages_are_remembered_with_facts_and_hashes(tmp_path):
    with RunFolder.open(tmp_path / "run", CONFIG) as run, run.stage("tokens", "a.txt", "folder") as facts:
        (run.path / "a.txt").write_text("x")
        (run.path / "folder").mkdir()
        (run.path / "folder" / "b.txt").write_text("y")
        facts["added"] = 5
    again = RunFolder.read(tmp_path / "run")
    assert again.facts("tokens") == {"added": 5}
    assert again.facts("distill") is None
    assert set(again.state["hashes"]) == {"a.txt", "folder/b.txt"}
    assert again.state["versions"]["python"]
    assert again.state["hardware"]["cores"] >= 1


def test_a_stage_that_fails_is_not_done(tmp_path):
    with RunFolder.open(tmp_path / "run", CONFIG) as run:
        with pytest.raises(ZeroDivisionError), run.stage("tokens"):
            raise ZeroDivisionError
        assert run.facts("tokens") is None


def test_other_settings_are_refused_by_name_and_the_place_may_change(tmp_path):
    with RunFolder.open(tmp_path / "run", CONFIG):
        pass
    with RunFolder.open(tmp_path / "run", {**CONFIG, "out": "elsewhere"}):
        pass
    with (
        pytest.raises(RunFolderError, match=r"\(tokens.size\)"),
        RunFolder.open(tmp_path / "run", {**CONFIG, "tokens": {"size": 6}}),
    ):
        pass


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunFolderError, match=r"thesis.tex"), RunFolder.open(tmp_path, CONFIG):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_place_is_refused(tmp_path):
    (tmp_path / "run").write_text("x")
    with pytest.raises(RunFolderError, match="is a file"), RunFolder.open(tmp_path / "run", CONFIG):
        pass


def hold(path, ready, done):
    with RunFolder.open(Path(path), CONFIG):
        ready.set()
        done.wait(60)


def test_two_runs_cannot_share_a_folder(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=hold, args=(str(tmp_path / "run"), ready, done))
    other.start()
    try:
        assert ready.wait(60)
        with pytest.raises(RunFolderError, match="in use"), RunFolder.open(tmp_path / "run", CONFIG):
            pass
    finally:
        done.set()
        other.join()
    with RunFolder.open(tmp_path / "run", CONFIG):
        pass


def test_reading_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(RunFolderError, match=r"no run.json"):
        RunFolder.read(tmp_path)


def test_a_broken_run_json_is_named(tmp_path):
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RunFolderError, match=r"run.json"):
        RunFolder.read(tmp_path)


def test_the_log_is_cut_back_and_survives_a_cut_line(tmp_path):
    with RunFolder.open(tmp_path / "run", CONFIG) as run:
        for step in range(4):
            run.log("step", step=step)
        with (run.path / "log.jsonl").open("a") as handle:
            handle.write('{"event": "st')
        run.rewind_log(lambda row: row["step"] < 2)
        assert [row["step"] for row in run.events("step")] == [0, 1]


def full_disk(_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_said_and_what_was_there_stays(tmp_path):
    path = tmp_path / "metrics.json"
    atomic.write_json(path, {"old": 1})
    with pytest.raises(RunFolderError, match="no space left"):
        atomic.write_with(path, full_disk)
    assert json.loads(path.read_text()) == {"old": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.json"]


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    target = tmp_path / "model"
    with atomic.folder(target) as place:
        (place / "a").write_text("1")
    with pytest.raises(RunFolderError, match="no space left"), atomic.folder(target) as place:
        (place / "a").write_text("2")
        full_disk(place)
    assert (target / "a").read_text() == "1"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_a_place_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunFolderError, match="cannot be written"), RunFolder.open(tmp_path / "file" / "run", CONFIG):
        pass
