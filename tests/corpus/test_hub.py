"""Hub datasets, through `datasets` itself: a folder of the dataset's name stands for the hub, which is out of reach."""

import pytest

from tokengraft.config import CorpusConfig
from tokengraft.corpus import check_readable, stream
from tokengraft.errors import CorpusError


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def test_rows_are_named_by_dataset_split_and_number(tmp_path, write):
    location = write.hub(tmp_path, ["x", "", "y"])
    assert [d.name for d in stream(CorpusConfig(location))] == ["owner/name/train:1", "owner/name/train:3"]


def test_missing_field_names_those_there_are(tmp_path, write):
    location = write.hub(tmp_path, ["x"])
    with pytest.raises(CorpusError, match="owner/name/train, row 1: no field 'body'; there is id, text"):
        check_readable(CorpusConfig(location, field="body"))


def test_missing_split(tmp_path, write):
    location = write.hub(tmp_path, ["x"])
    with pytest.raises(CorpusError, match=r"hub dataset owner/name/dev: .*dev"):
        check_readable(CorpusConfig(location, split="dev"))


def test_missing_subset(tmp_path, write):
    write.hub(tmp_path, ["x"])
    with pytest.raises(CorpusError, match=r"hub dataset owner/name:german/train: .*german"):
        check_readable(CorpusConfig("hub:owner/name:german"))


def test_out_of_reach():
    with pytest.raises(CorpusError) as caught:
        check_readable(CorpusConfig("hub:no-such-owner/no-such-name"))
    assert "no-such-owner/no-such-name" in caught.value.found
    assert "the connection" in caught.value.do
