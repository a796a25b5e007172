"""Uploading happens on request alone, into a private repository, and an error of the hub says what to do."""

import pytest

from tokengraft.errors import ExportError
from tokengraft.exporting import push


class Hub:
    """Notes what it was asked."""

    def __init__(self, error=None):
        self.asked, self.error = [], error

    def create_repo(self, repository, **settings):
        self.asked.append((repository, settings))
        if self.error:
            raise self.error

    def upload_folder(self, *, folder_path, repo_id):
        self.asked.append((repo_id, folder_path))
        return f"https://hub.example/{repo_id}"


def test_a_folder_goes_into_a_private_repository(tmp_path, monkeypatch):
    hub = Hub()
    monkeypatch.setattr(push, "HfApi", lambda: hub)
    assert push.push_folder(tmp_path, "me/model") == "https://hub.example/me/model"
    assert hub.asked == [("me/model", {"private": True, "exist_ok": True}), ("me/model", tmp_path)]


def test_a_hub_that_refuses(tmp_path, monkeypatch):
    monkeypatch.setattr(push, "HfApi", lambda: Hub(OSError("401 who are you?")))
    with pytest.raises(ExportError, match="did not take me/model: 401") as caught:
        push.push_folder(tmp_path, "me/model")
    assert "hf auth login" in caught.value.do


def test_the_command_pushes_only_when_asked(tmp_path, monkeypatch, capsys):
    from tokengraft import exporting
    from tokengraft.cli.export import export

    hub = Hub()
    monkeypatch.setattr(push, "HfApi", lambda: hub)
    monkeypatch.setattr(exporting, "export", lambda *given, **_: given[1])
    export(tmp_path, out=tmp_path / "out")
    assert hub.asked == []
    export(tmp_path, out=tmp_path / "out", push="me/model")
    assert "https://hub.example/me/model" in capsys.readouterr().out
