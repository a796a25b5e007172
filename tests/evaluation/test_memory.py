"""Memory of a fresh process, and the engine beside the plain way."""

import dataclasses
import sys

import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from tokengraft.config import DistillConfig
from tokengraft.errors import DeviceError
from tokengraft.evaluation.memory import PeakMemory, peak_memory
from tokengraft.evaluation.step_memory import Case, compare_memory
from tokengraft.phases.texts import training_windows

MIB = 2**20
WORK = """
def holds(before, during):
    ready = b"1" * before
    return lambda: (ready[0], b"2" * during)

def spikes(before, during):
    b"1" * before
    return lambda: b"2" * during

def fails():
    raise RuntimeError("no such luck")
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    (tmp_path / "measured_work.py").write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)
    return lambda name, **arguments: peak_memory(f"measured_work:{name}", arguments)


@pytest.mark.parametrize("name", ["holds", "spikes"])
def test_the_step_is_what_the_work_took(work, name):
    """What was held, or held for a while, while the work was prepared is not charged to it."""
    found = work(name, before=200 * MIB, during=100 * MIB)
    assert 95 * MIB < found.step < 115 * MIB
    assert (found.baseline > 200 * MIB) == (name == "holds")


def test_this_process_does_not_leak_into_the_measured_one(work):
    ours = b"3" * (300 * MIB)
    found = work("holds", before=1, during=MIB)
    assert found.peak < 100 * MIB < len(ours)


def test_work_that_fails_is_told(work):
    with pytest.raises(DeviceError, match="no such luck"):
        work("fails")


@pytest.fixture
def case_of(tmp_path, extension, code):
    """From the size of a vocabulary to a batch of 12 windows for a model that has it."""
    return lambda size: make_case(tmp_path, extension, code, size)


def make_case(folder, extension, code, size):
    config = LlamaConfig(
        vocab_size=size, hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4,
        max_position_embeddings=128, tie_word_embeddings=False, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    settings = DistillConfig(max_length=120)
    windows = training_windows(model, extension, code, settings)[:12]
    return Case(str(folder), "cpu", "float32", False, size, size + 30, windows, settings)


@pytest.fixture
def engine_alone(monkeypatch):
    """No process for the plain way, where nothing is said of its figure."""

    def measured(work, arguments, **settings):
        return PeakMemory(0, 0) if work.endswith(":prepare_plain") else peak_memory(work, arguments, **settings)

    monkeypatch.setattr("tokengraft.evaluation.step_memory.peak_memory", measured)


def with_fit(case, positions):
    return dataclasses.replace(case, settings=dataclasses.replace(case.settings, refit_positions=positions))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets the mark be set back")
def test_the_engine_takes_less_than_the_plain_way(case_of):
    case = case_of(20_000)
    found = compare_memory(case)
    tokens = sum(len(window.teacher) for window in case.windows)
    table, logits = 20_030 * 64 * 4, 20_000 * 4 * sum(len(window.student) for window in case.windows)
    # Two gradients and four moments of a table's size, and the student's logits at least once.
    assert found.plain.step > 6 * table + logits
    assert found.engine.step < found.plain.step / 2
    assert set(found.to_dict()) == {"engine_bytes", "plain_bytes", "baseline_bytes", "how"}
    assert found.to_dict()["plain_bytes"] > found.to_dict()["engine_bytes"] > found.to_dict()["baseline_bytes"] > 0
    assert f"12 windows and {tokens} base tokens" in found.how
    assert "fits an untied head on 120000 positions" in found.how


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets the mark be set back")
@pytest.mark.usefixtures("engine_alone")
def test_the_closing_fit_is_in_the_figure_and_keeps_its_states_once(case_of):
    case = case_of(2_000)
    positions = 500_000
    states = positions * (64 * 2 + 2 * 4 + 8)
    without, with_it = (compare_memory(with_fit(case, count)) for count in (0, positions))
    assert states < with_it.engine.step < 1.5 * states + without.engine.step
    assert "fits" not in without.how
