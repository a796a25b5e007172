"""Peak memory of steps, of torch's tensors and of a fresh process as a whole, beside what it must be by arithmetic."""

import dataclasses
import itertools

import torch
from torch.profiler import ProfilerActivity, profile

from tokengraft.config import DistillConfig
from tokengraft.evaluation.memory import peak_memory
from tokengraft.evaluation.plain import plain_optimizer, plain_step
from tokengraft.losses.fused import fitting_chunk
from tokengraft.model.activations import Shape, chunk_bytes
from tokengraft.model.rows import frozen
from tokengraft.phases.rows import RowsPhase, ready
from tokengraft.training.batches import pair

from .material import Extension, grown, llama

STEPS = 2
SIZES = {"width": 512, "layers": 8, "vocabulary": 32_000}


def prepare(way, windows, new, *, checkpointing=False):
    """Steps of one way on a batch of documents, in bfloat16."""
    torch.set_num_threads(1)
    extension = Extension(SIZES["vocabulary"], new)
    model = grown(llama(**SIZES), extension).bfloat16()
    batch = extension.documents(windows, every=20, spread=0.0)
    return (_plain if way == "plain" else _engine)(model, extension, batch, checkpointing=checkpointing)


def _plain(model, extension, batch, **_):
    optimizer = plain_optimizer(model)

    def work():
        for _ in range(STEPS):
            plain_step(model, pair(batch), optimizer, extension.base_size, extension.size)

    return work


def _engine(model, extension, batch, *, checkpointing):
    settings = DistillConfig(
        objective="kl",
        teacher_cache="none",
        refit_positions=0,
        tokens_per_step=10**9,
        gradient_checkpointing=checkpointing,
    )
    phase = RowsPhase(model, extension, settings, batch)
    optimizers = phase.optimizers()

    def work():
        with frozen(model), ready(phase, batch, (), 1):
            for _ in range(STEPS):
                phase.form(batch)
                for optimizer in optimizers:
                    optimizer.step()
                    optimizer.zero_grad(set_to_none=True)

    return work


def necessary(windows, new, *, checkpointing=False):
    """Bytes beside the weights: one chunk of logits, what autograd keeps of the student's tokens, and n×d numbers."""
    extension = Extension(SIZES["vocabulary"], new)
    batch = extension.documents(windows, every=20, spread=0.0)
    student = sum(len(window.student) - window.first_new for window in batch)
    with torch.device("meta"):
        shape = dataclasses.replace(Shape.of(llama(**SIZES, dtype=torch.bfloat16)), itemsize=2)
    rows = 2 * new * SIZES["width"] * 4 * 4  # both tables: gradient (twice while it is added), two moments
    return (
        student * shape.bytes_per_token(checkpointing=checkpointing)
        + chunk_bytes(SIZES["vocabulary"], fitting_chunk(SIZES["vocabulary"])) + rows
    )  # fmt: skip


def tensors(way, windows, new, *, checkpointing=False):
    """Bytes of all tensors that a step has at its peak, beside those that were there before: torch's own count."""
    work = prepare(way, windows, new, checkpointing=checkpointing)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        work()
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    return max(itertools.accumulate(event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())))


def measured(cases=((8, 1000), (16, 1000), (32, 1000), (16, 4000))):
    """Rows of (windows, new tokens, way, peak of tensors, of the process beside the weights, what it must be)."""
    for windows, new in cases:
        for way, checkpointing in (("plain", False), ("engine", False), ("engine", True)):
            arguments = {"way": way, "windows": windows, "new": new, "checkpointing": checkpointing}
            found = peak_memory(f"{__name__}:prepare", arguments)
            must = None if way == "plain" else necessary(windows, new, checkpointing=checkpointing)
            name = f"{way}, checkpointed" if checkpointing else way
            yield {
                "windows": windows, "new": new, "way": name, "tensors": tensors(**arguments), "peak": found.step,
                "must": must,
            }  # fmt: skip
