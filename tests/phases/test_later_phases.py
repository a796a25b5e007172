"""Every later phase: what moves and what does not, resumption, precision, merging."""

import copy
import dataclasses

import pytest
import torch
from torch.nn import functional as F

from tokengraft.config import DistillConfig
from tokengraft.config_phases import PhaseConfig
from tokengraft.errors import ModelError
from tokengraft.init import initialise
from tokengraft.model import find_tables, grow
from tokengraft.model.tables import same_bits
from tokengraft.phases import phases, training_windows
from tokengraft.phases.objective import Objective, learned_flags
from tokengraft.phases.run import parts_of, run_task
from tokengraft.phases.task import Task
from tokengraft.training.loop import Journal

NAMES = ["full", "lora", "sequential", "tables", "trainable-tokens", "warm-up"]
SHORT = {"steps": 7, "tokens_per_step": 200, "max_length": 48, "checkpoint_every": 2, "chunk": 31, "rate": 1e-2}


@pytest.fixture
def grafted(any_model, extension):
    return graft(any_model, extension)


def graft(model, extension):
    grow(model, extension)
    initialise(model, extension)
    return model


def task_of(model, extension, phase, **changes):
    settings = PhaseConfig(phase, **{**SHORT, **changes})
    texts = extension.texts(count=30)
    windows = training_windows(model, extension, texts, DistillConfig(max_length=settings.max_length))
    return Task(model, extension.base_size, extension.size, windows, settings, seed=3)


def moved(before, model):
    return {name for name, value in model.state_dict().items() if not same_bits(value, before[name])}


def test_the_registry_has_every_phase():
    assert phases.names() == NAMES


@pytest.mark.parametrize("phase", NAMES)
def test_losses_fall_and_only_what_the_phase_names_moves(grafted, extension, phase):
    before = copy.deepcopy(grafted.state_dict())
    names = list(before)
    tables = find_tables(grafted)
    rows = "modules-to-save" if phase == "lora" and tables.head_bias is not None else "trainable-tokens"
    tied = tables.tied
    outcomes = run_task(task_of(grafted, extension, phase, steps=30, rows=rows))
    first, last = outcomes[0].losses[0]["cross_entropy"], outcomes[-1].losses[-1]["cross_entropy"]
    assert last < first
    assert list(grafted.state_dict()) == names, "the model has the modules that it had"
    assert find_tables(grafted).tied == tied
    assert not any(parameter.requires_grad for parameter in grafted.parameters())
    assert not grafted.training
    changed = moved(before, grafted)
    in_tables = {n for n, v in before.items() if v.shape[:1] == (330,)}
    assert changed & in_tables or phase == "sequential"
    if phase in {"tables", "trainable-tokens"}:
        assert changed <= in_tables
    if phase == "sequential":
        assert changed
        assert not changed & in_tables
    if phase in {"trainable-tokens", "lora"} and rows == "trainable-tokens":
        for name in in_tables:
            assert same_bits(before[name][:300], grafted.state_dict()[name][:300]), "old rows keep their bits"


def plain_loss(model, windows, size, cap):
    """Cross-entropy of every next id, a window at a time, by the model's own logits."""
    nats, count = 0.0, 0
    for window in windows:
        logits = model(torch.from_numpy(window.student)[None]).logits[0, :-1, :size]
        targets = torch.from_numpy(window.student[1:])
        nats = nats + F.cross_entropy(logits, targets, reduction="sum")
        count += len(targets)
    del cap
    return nats / count


@pytest.mark.parametrize("accumulation", [1, 3])
def test_gradients_of_a_step_are_those_of_the_plain_way(grafted, extension, accumulation):
    task = task_of(grafted, extension, "full", accumulation=accumulation, clip=None)
    plain = copy.deepcopy(grafted).requires_grad_(requires_grad=True)
    loss = plain_loss(plain, task.windows[:6], task.size, None)
    loss.backward()
    [part] = parts_of(task)
    with part.open() as trained:
        grafted.eval()
        _, losses, _ = Objective(task, trained).step(task.windows[:6])
        assert losses["cross_entropy"].item() == pytest.approx(loss.item(), rel=1e-5)
        for (name, weight), other in zip(grafted.named_parameters(), plain.parameters(), strict=True):
            gap = (weight.grad - other.grad).norm()
            assert gap <= 2e-5 * other.grad.norm() + 1e-7, name


def test_rows_beyond_the_vocabulary_keep_their_bits_though_others_decay(extension):
    model = make("llama-untied", 384)
    graft(model, extension)
    with torch.no_grad():
        for table in (find_tables(model).input_weight, find_tables(model).head_weight):
            table[330:] = torch.randn(54, 32)
    before = copy.deepcopy(model.state_dict())
    run_task(task_of(model, extension, "full", weight_decay=0.5))
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        assert same_bits(model.state_dict()[name][330:], before[name][330:])
        assert not same_bits(model.state_dict()[name][:330], before[name][:330])


def make(name, rows=320):
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path

    spec = spec_from_file_location("shared_conftest", Path(__file__).resolve().parents[1] / "conftest.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make_model(name, rows)


class StoppedError(Exception):
    """Stands for a kill between two steps."""


RESUMED = [(phase, {}) for phase in NAMES] + [("lora", {"dropout": 0.3}), ("lora", {"rows": "modules-to-save"})]


@pytest.mark.parametrize(("phase", "changes"), RESUMED)
def test_a_stopped_phase_goes_on_to_the_same_bits(extension, tmp_path, phase, changes):
    start = graft(make("qwen2-tied" if changes else "llama-untied"), extension)
    whole, first, second = (copy.deepcopy(start) for _ in range(3))
    run_task(task_of(whole, extension, phase, **changes))

    def journal(part, log=None):
        return Journal(checkpoint=tmp_path / f"{part.name}.safetensors", log=log)

    seen = []

    def stop(event, **values):
        seen.append((event, values))
        if len(seen) == 5:
            raise StoppedError

    with pytest.raises(StoppedError):
        run_task(task_of(first, extension, phase, **changes), lambda part: journal(part, stop))
    run_task(task_of(second, extension, phase, **changes), journal)
    assert not moved(whole.state_dict(), second)
    assert moved(start.state_dict(), second)


@pytest.mark.parametrize("phase", NAMES)
def test_weights_in_bfloat16_learn_in_float32(extension, phase):
    """A rate at which bfloat16 alone would not move most numbers still adds up."""
    model = graft(make("llama-untied").to(torch.bfloat16), extension)
    task = task_of(model, extension, phase, rate=1e-5, steps=4)
    dtypes = set()
    for part in parts_of(task):
        with part.open() as trained:
            dtypes |= {parameter.dtype for parameter in trained.parameters()}
            before = [parameter.clone() for parameter in trained.parameters()]
            optimizer = trained.optimizer(task.settings)
            Objective(task, trained).step(task.windows[:4])
            optimizer.step()
            assert any(not torch.equal(a, b) for a, b in zip(before, trained.parameters(), strict=True))
    assert dtypes == {torch.float32}
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


def test_float16_without_float32_copies_is_refused(extension):
    model = graft(make("llama-untied").to(torch.float16), extension)
    with pytest.raises(ModelError, match="which is 0 in float16"):
        run_task(task_of(model, extension, "full", master_weights=False))


def test_kl_to_the_base_counts_a_new_token_as_its_first_piece(extension):
    model = graft(make("llama-untied"), extension)
    base = copy.deepcopy(model)
    pieces = tuple(p[0] for p in extension.decomposition.pieces)
    task = dataclasses.replace(task_of(model, extension, "full", kl_share=0.5), teacher=base, first_pieces=pieces)
    window = next(w for w in task.windows if w.first_new < len(w.student))
    [part] = parts_of(task)
    with part.open() as trained:
        model.eval()
        _, losses, _ = Objective(task, trained).step([window])
    student = model(torch.from_numpy(window.student)[None]).logits[0, :, :330].softmax(-1)
    teacher = base(torch.from_numpy(window.teacher)[None]).logits[0, :, :300].log_softmax(-1)
    total = 0.0
    for position, end in enumerate(window.ends):
        folded = student[position, :300].clone()
        for number, piece in enumerate(pieces):
            folded[piece] += student[position, 300 + number]
        total += (teacher[end].exp() * (teacher[end] - folded.log())).sum().item()
    assert losses["kl"].item() == pytest.approx(total / len(window.student), rel=1e-4)


def test_kl_keeps_the_model_nearer_to_the_base(extension):
    start = graft(make("llama-untied"), extension)
    pieces = tuple(p[0] for p in extension.decomposition.pieces)
    last = []
    for share in (0.01, 0.9):
        task = task_of(copy.deepcopy(start), extension, "full", kl_share=share, steps=25)
        task = dataclasses.replace(task, teacher=copy.deepcopy(start), first_pieces=pieces)
        last.append(run_task(task)[-1].losses[-1]["kl"])
    assert last[1] < 0.7 * last[0]


def test_checkpointed_activations_give_the_same_weights(extension):
    start = graft(make("llama-untied"), extension)
    results = []
    for wanted in (False, True):
        model = copy.deepcopy(start)
        run_task(task_of(model, extension, "full", gradient_checkpointing=wanted))
        results.append(model.state_dict())
        assert not any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
    for name, value in results[0].items():
        assert torch.allclose(value, results[1][name], atol=1e-6), name


def test_instruction_flags_leave_questions_out(extension):
    task = task_of(graft(make("llama-untied"), extension), extension, "full")
    window = task.windows[0]
    flags = torch.zeros(len(window.student), dtype=torch.bool).numpy()
    flags[[0, -1]] = True
    masked = dataclasses.replace(window, learned=flags)
    assert learned_flags(masked).tolist() == [False] * (len(flags) - 1) + [True]
    with parts_of(task)[0].open() as trained:
        _, losses, _ = Objective(task, trained).step([masked])
    logits = task.model(torch.from_numpy(window.student)[None]).logits[0, -2, :330]
    expected = -logits.log_softmax(-1)[window.student[-1]].item()
    assert losses["cross_entropy"].item() == pytest.approx(expected, rel=1e-4)


def test_blocks_in_4_bits_learn_adapters_that_are_folded_into_the_exact_weights(extension):
    pytest.importorskip("bitsandbytes")
    model = graft(make("llama-untied"), extension)
    before = copy.deepcopy(model.state_dict())
    run_task(task_of(model, extension, "lora", quantize=True, rate=1e-5, steps=2))
    assert not any("4bit" in type(module).__name__ for module in model.modules())
    for name, value in model.state_dict().items():
        # 4 bits alone would move weights by several per cent; a rate this small moves them by far less.
        assert (value - before[name]).norm() <= 1e-3 * before[name].norm() + 1e-6, name


def test_targets_that_cannot_be(extension):
    untied, tied = graft(make("llama-untied"), extension), graft(make("qwen2-tied"), extension)
    with pytest.raises(ModelError, match="down_proj, gate_proj, k_proj"):
        run_task(task_of(untied, extension, "lora", targets=("q_porj",)))
    with pytest.raises(ModelError, match="one table"):
        run_task(task_of(tied, extension, "lora", targets=("q_proj", "embed_tokens")))
    with pytest.raises(ModelError, match="same tables"):
        run_task(task_of(untied, extension, "lora", targets=("lm_head",)))
    with pytest.raises(ModelError, match="tied table"):
        run_task(task_of(graft(make("gpt2-tied"), extension), extension, "lora", rows="modules-to-save"))
