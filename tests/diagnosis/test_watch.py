"""Watch: the first NaN or Inf is named by tensor, rows, tokens and batch; the training stops; a sound one does not."""

import subprocess
import sys

import pytest
import torch
from transformers import Trainer, TrainingArguments

import tokengraft as tg
from tokengraft.diagnosis.watch import NonFinite

from .conftest import make_model


@pytest.fixture
def trained(model):
    return model.requires_grad_().train()


def batch(*ids):
    row = torch.tensor([list(ids)])
    return {"input_ids": row, "labels": row.clone()}


def steps(model, optimizer, batches):
    for one in batches:
        model(**one).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def test_a_sound_training_is_left_alone_bit_for_bit(trained, tokenizer):
    """The same parameters with and without, and no hook stays behind."""
    twin = make_model("llama-untied", rows=len(tokenizer)).requires_grad_().train()
    twin.load_state_dict(trained.state_dict())
    batches = [batch(5, 6, 7), batch(8, 9, 10)]
    steps(twin, torch.optim.AdamW(twin.parameters(), lr=1e-3), batches)
    optimizer = torch.optim.AdamW(trained.parameters(), lr=1e-3)
    with tg.Watch(trained, tokenizer, optimizer=optimizer) as watch:
        steps(trained, optimizer, batches)
        assert (watch.step, watch.batch) == (2, 2)
    assert all(torch.equal(*pair) for pair in zip(twin.parameters(), trained.parameters(), strict=True))
    assert not trained._forward_hooks
    assert not optimizer._optimizer_step_pre_hooks


def test_half_precision_adam_is_caught_at_its_first_step(trained, tokenizer):
    trained.half()
    optimizer = torch.optim.AdamW(trained.parameters(), lr=1e-3)
    with pytest.raises(NonFinite) as caught, tg.Watch(trained, tokenizer, optimizer=optimizer):
        steps(trained, optimizer, [batch(5, 6, 7)] * 3)
    trace = caught.value.trace
    assert (trace.where, trace.name, trace.is_table, trace.batch) == (
        "parameter", "model.embed_tokens.weight", True, 1,
    )  # fmt: skip
    assert trace.rows == [
        row for row in range(len(tokenizer)) if row not in {5, 6}
    ]  # the last token is not read[: len(trace.rows)]
    assert trace.tokens[0] == tokenizer.convert_ids_to_tokens(0)
    assert "1 of these tokens are in the batch" in caught.value.found
    assert "fp16-adam-eps" in caught.value.do


def test_a_batch_without_labels_is_caught_in_the_loss(trained, tokenizer):
    empty = batch(8, 9)
    empty["labels"][:] = -100
    optimizer = torch.optim.SGD(trained.parameters(), lr=1e-3)
    with pytest.raises(NonFinite, match="every label of the batch is −100") as caught:  # noqa: SIM117
        with tg.Watch(trained, tokenizer, optimizer=optimizer):
            steps(trained, optimizer, [batch(5, 6, 7), empty])
    assert (caught.value.trace.where, caught.value.trace.batch, caught.value.trace.ids) == ("loss", 2, [[8, 9]])
    assert all(bool(parameter.isfinite().all()) for parameter in trained.parameters())


def test_a_token_that_breaks_an_activation_is_named(trained, tokenizer):
    """Somebody writes into a row between two steps."""
    optimizer = torch.optim.SGD(trained.parameters(), lr=1e-3)
    with pytest.raises(NonFinite) as caught, tg.Watch(trained, tokenizer, optimizer=optimizer):
        steps(trained, optimizer, [batch(5, 6, 7)])
        trained.get_input_embeddings().weight.data[9] = torch.inf
        steps(trained, optimizer, [batch(5, 9, 7)])
    trace = caught.value.trace
    assert (trace.where, trace.name, trace.batch) == ("activation", "model.embed_tokens", 2)
    assert (trace.positions, trace.tokens) == ([(0, 1)], [tokenizer.convert_ids_to_tokens(9)])
    assert "its weight is not finite" in trace.detail


def test_gradients_are_looked_at_before_the_optimiser_uses_them(trained, tokenizer):
    optimizer = torch.optim.SGD(trained.parameters(), lr=1e-3)
    broken = torch.tensor([7])
    trained.get_input_embeddings().weight.register_hook(lambda gradient: gradient.index_fill(0, broken, torch.inf))
    with pytest.raises(NonFinite) as caught, tg.Watch(trained, tokenizer, optimizer=optimizer):
        steps(trained, optimizer, [batch(5, 6, 7)])
    trace = caught.value.trace
    assert (trace.where, trace.rows, trace.tokens) == ("gradient", [7], [tokenizer.convert_ids_to_tokens(7)])
    assert all(bool(parameter.isfinite().all()) for parameter in trained.parameters())


def test_rows_that_are_broken_from_the_start(trained, tokenizer):
    trained.lm_head.weight.data[4] = torch.nan
    with pytest.raises(NonFinite, match="before the first step") as caught, tg.Watch(trained, tokenizer):
        pass
    assert (caught.value.trace.rows, caught.value.trace.is_table) == ([4], True)
    assert "no step did it" in str(caught.value)


def test_steps_that_a_scaler_skips_do_not_count(trained, tokenizer):
    """A scaler steps the optimiser only where gradients are finite: its first skips are no fault."""
    optimizer = torch.optim.SGD(trained.parameters(), lr=1e-3)
    scaler = torch.amp.GradScaler("cpu", init_scale=1e38)
    with tg.Watch(trained, tokenizer, optimizer=optimizer) as watch:
        scaler.scale(trained(**batch(5, 6, 7)).loss).backward()
        scaler.step(optimizer)
        scaler.update()
        assert watch.step == 0


def arguments(path, **others):
    return TrainingArguments(
        path, max_steps=3, per_device_train_batch_size=1, report_to=[], save_strategy="no", logging_strategy="no",
        disable_tqdm=True, use_cpu=True, **others,
    )  # fmt: skip


def rows(*several):
    return [{name: value[0].tolist() for name, value in one.items()} for one in several]


@pytest.mark.filterwarnings("ignore")
def test_as_a_callback_of_the_trainer(trained, tokenizer, tmp_path):
    data = rows(*[batch(5, 6, 7)] * 3)
    watch = tg.Watch(tokenizer=tokenizer)
    Trainer(trained, arguments(tmp_path), train_dataset=data, callbacks=[watch]).train()
    assert (watch.step, watch.batch) == (3, 3)
    trained.half()
    with pytest.raises(NonFinite) as caught:
        plan = arguments(tmp_path, optim="adamw_torch")
        Trainer(trained, plan, train_dataset=data, callbacks=[tg.Watch(tokenizer=tokenizer)]).train()
    assert caught.value.trace.is_table
    assert caught.value.trace.tokens


def test_in_our_loop():
    """`run_phase` steps its own optimisers; their hooks are all that Watch needs."""
    from tokengraft.training.loop import Journal, Plan, run_phase

    table = torch.nn.Embedding(9, 4)
    optimizer = torch.optim.SGD(table.parameters(), lr=float("inf"))

    def step(ids):
        loss = table(ids).sum()
        return loss, {"loss": loss.detach()}, len(ids)

    def batches(start):
        del start
        while True:
            yield torch.tensor([1, 2])

    with pytest.raises(NonFinite, match="after step 1"), tg.Watch(table, optimizer=[optimizer]):
        run_phase(table, [optimizer], batches, step, Plan(steps=2), Journal())


SCRIPT = """
import sys
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments
import tokengraft as tg

folder, optimiser, where = sys.argv[1:]
model, tokenizer = AutoModelForCausalLM.from_pretrained(folder, dtype="float16"), AutoTokenizer.from_pretrained(folder)
rows = [tokenizer(text).input_ids for text in ("the cat sat", "the dog sat", "the rain")]
args = TrainingArguments(
    where, max_steps=3, per_device_train_batch_size=1, report_to=[], save_strategy="no", disable_tqdm=True,
    use_cpu=True, optim=optimiser,
)
data = [{"input_ids": ids, "labels": ids} for ids in rows]
Trainer(model, args, train_dataset=data, callbacks=[tg.Watch(tokenizer=tokenizer)]).train()
"""


@pytest.mark.filterwarnings("ignore")  # of transformers, as a script of one's own has them
def test_a_script_of_ones_own_in_a_fresh_process(folder, tmp_path, monkeypatch):
    """As the page shows it: half precision with an Adam whose ε is 0 there stops, with what a reader needs."""
    arguments = [sys.executable, "-c", SCRIPT, folder, "adamw_torch", tmp_path]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    message = done.stderr[done.stderr.index("NonFinite: ") :]
    for part in (
        "rows of model.embed_tokens.weight are NaN or Inf after step 1",
        "'<|begin|>'",
        "batch 1",
        "fp16-adam-eps",
    ):
        assert part in message
    monkeypatch.setattr(sys, "argv", ["-c", str(folder), "sgd", str(tmp_path)])
    exec(SCRIPT, {})  # noqa: S102  with plain descent the same script comes to its end
