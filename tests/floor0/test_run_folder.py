"""The run folder: claimed, locked, resumed, refused, and never half-written."""

import errno
import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import SafetensorError

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


@pytest.mark.parametrize("name", ["config.yaml", "metrics.json"])
def test_even_a_file_of_a_name_that_we_use_is_somebody_elses(tmp_path, name):
    (tmp_path / name).write_text("model: mine\n")
    with pytest.raises(RunFolderError, match=name), RunFolder.open(tmp_path, CONFIG):
        pass
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "model: mine\n")]


def test_settings_are_kept_in_run_json_and_compared_with_those(tmp_path):
    path = tmp_path / "run"
    with RunFolder.open(path, {**CONFIG, "include": ("*.py",)}) as run:
        assert run.state["settings"] == {**CONFIG, "include": ["*.py"]}
    (path / "config.yaml").write_text("model: changed by hand\n")
    with RunFolder.open(path, {**CONFIG, "include": ("*.py",)}):
        pass
    with pytest.raises(RunFolderError, match="include"), RunFolder.open(path, CONFIG):
        pass


def test_a_run_killed_between_its_first_files_goes_on(tmp_path):
    """run.json is written first, config.yaml after it; a kill before run.json leaves the lock and a temporary file."""
    path = tmp_path / "run"
    path.mkdir()
    (path / ".lock").touch()
    (path / ".run.json.tmp").write_text('{"sett')
    with RunFolder.open(path, CONFIG):
        pass
    (path / "config.yaml").unlink()
    with RunFolder.open(path, CONFIG):
        pass
    assert "seed: 0" in (path / "config.yaml").read_text()


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


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"stages": {}}', "\x00"])
def test_a_broken_run_json_is_named(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
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


@pytest.mark.parametrize("name", ["ENAMETOOLONG", "EFBIG", "EIO", "EROFS"])
def test_a_place_that_cannot_be_written_to_is_said(tmp_path, name):
    number = getattr(errno, name)

    def fails(_):
        raise OSError(number, os.strerror(number))

    with pytest.raises(RunFolderError, match=os.strerror(number)):
        atomic.write_with(tmp_path / "a", fails)


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "no space left"), (errno.EDQUOT, "no space left"), (errno.EFBIG, "too large")]
)
def test_what_safetensors_says_of_a_disk_is_understood(tmp_path, number, words):
    """It is no OSError; the number stands in the message."""

    def fails(_):
        raise SafetensorError(f"Error while serializing: I/O error: {os.strerror(number)} (os error {number})")

    with pytest.raises(RunFolderError, match=words):
        atomic.write_with(tmp_path / "a", fails)
    with pytest.raises(RunFolderError, match=words), atomic.folder(tmp_path / "b") as place:
        fails(place)
    assert not list(tmp_path.iterdir())


def test_other_errors_are_not_hidden(tmp_path):
    def fails(_):
        raise SafetensorError("Error while deserializing header: invalid")

    with pytest.raises(SafetensorError):
        atomic.write_with(tmp_path / "a", fails)


LIMITED = """
import resource, sys
from pathlib import Path
import numpy
from safetensors.numpy import save_file
from tokengraft import atomic

resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
atomic.write_with(Path(sys.argv[1]), lambda path: save_file({"a": numpy.zeros(100_000)}, path))
"""


def test_safetensors_at_a_limit_of_the_system(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "a.safetensors")], capture_output=True, text=True, check=False
    )
    assert "RunFolderError: found: " in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_too_long(tmp_path):
    with pytest.raises(RunFolderError, match="cannot be written"), RunFolder.open(tmp_path / ("x" * 300), CONFIG):
        pass


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc to tell what was synced")


@needs_proc
def test_the_folder_is_synced_after_each_rename(tmp_path, monkeypatch):
    seen = []
    sync, replace = os.fsync, Path.replace

    def remember(descriptor):
        seen.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")))
        sync(descriptor)

    def renamed(self, target):
        seen.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", remember)
    monkeypatch.setattr(Path, "replace", renamed)
    atomic.write_text(tmp_path / "a", "x")
    assert seen == [tmp_path / ".a.tmp", "rename", tmp_path]
    seen.clear()
    with atomic.folder(tmp_path / "b") as place:
        (place / "c").mkdir()
        (place / "c" / "d").write_text("x")
    inside = tmp_path / ".b.tmp"
    assert set(seen[:3]) == {inside, inside / "c", inside / "c" / "d"}
    assert seen[3:] == ["rename", tmp_path]


@needs_proc
@pytest.mark.parametrize(("number", "hidden"), [(errno.EINVAL, True), (errno.EIO, False)])
def test_a_drive_that_syncs_no_folders(tmp_path, monkeypatch, number, hidden):
    sync = os.fsync

    def only_files(descriptor):
        if Path(f"/proc/self/fd/{descriptor}").is_dir():
            raise OSError(number, os.strerror(number))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    if hidden:
        atomic.write_text(tmp_path / "a", "x")
    else:
        with pytest.raises(RunFolderError):
            atomic.write_text(tmp_path / "a", "x")


def test_files_have_the_rights_of_any_new_file(tmp_path):
    """safetensors writes 0600, and a served model must be readable."""
    plain = tmp_path / "plain"
    plain.write_text("x")

    def write(place):
        place.write_text("x")
        place.chmod(0o600)

    atomic.write_with(tmp_path / "rows", write)
    with atomic.folder(tmp_path / "model") as place:
        write(place / "weights")
    rights = {path.stat().st_mode & 0o777 for path in (plain, tmp_path / "rows", tmp_path / "model" / "weights")}
    assert len(rights) == 1
