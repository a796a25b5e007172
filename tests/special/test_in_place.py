"""`--in-place`: the old folder or the new one, whole, whatever happens on the way."""

import pytest

import tokengraft as tg
from tokengraft.errors import RunFolderError
from tokengraft.special.folder import replaced

from .conftest import files_of


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("old")
    return tmp_path / "model"


def test_a_check_that_fails_at_the_end_leaves_everything(base, tmp_path, monkeypatch):
    import shutil

    shutil.copytree(base, tmp_path / "model")

    def fails(*_):
        raise RuntimeError("at the last moment")

    monkeypatch.setattr("tokengraft.special.api.check_reload", fails)
    with pytest.raises(RuntimeError, match="last moment"):
        tg.add_special_tokens(tmp_path / "model", None, ["<|a|>"], in_place=True)
    assert files_of(tmp_path / "model") == files_of(base)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_new_folder_takes_the_place_of_the_old(folder):
    with replaced(folder) as place:
        (place / "config.json").write_text("new")
        assert (folder / "config.json").read_text() == "old"
    assert files_of(folder.parent) == {"model/config.json": b"new"}


@pytest.mark.parametrize("left", [".model.new", ".model.old"])
def test_a_stop_between_the_two_renames_is_said(folder, left):
    """The old folder is aside and the new one not yet there: neither may be deleted."""
    folder.rename(folder.with_name(left))
    with pytest.raises(RunFolderError, match="rename it"), replaced(folder):
        pytest.fail("begun over the only copy")
    assert files_of(folder.parent) == {f"{left}/config.json": b"old"}


def test_what_an_earlier_stop_left_beside_a_whole_folder_goes(folder):
    folder.with_name(".model.new").mkdir()
    (folder.with_name(".model.new") / "config.json").write_text("half")
    with replaced(folder) as place:
        (place / "config.json").write_text("new")
    assert files_of(folder.parent) == {"model/config.json": b"new"}
