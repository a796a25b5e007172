"""How the steps of the rows are run: in which precision, behind a shared prefix or not, with which teacher."""

import copy
import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from tokengraft.config import DistillConfig
from tokengraft.errors import ConfigError
from tokengraft.losses.fused import Head, fitting_chunk
from tokengraft.model.activations import Shape, chunk_bytes
from tokengraft.model.shared_prefix import obstacle
from tokengraft.phases.objectives import Comparison
from tokengraft.phases.passes import Passes, Remembered, Shared, Whole
from tokengraft.progress import say
from tokengraft.training.batches import PairedBatch, epoch_batches
from tokengraft.training.teacher_cache import Kept, TeacherCache, cache_key, hash_weights, open_cache
from tokengraft.training.windows import Window

AGAIN = 2
"""Epochs from which the teacher's answers are worth keeping: the first one costs as much as without a cache."""

CHECKPOINTED = 8192
"""Base tokens of a pass at most where blocks are computed a second time: whoever asks for that is short of memory, and
the block in full of 9 300 student tokens was a third of it (d 512); two passes in place of one cost no time."""


def computing(model: Any, settings: DistillConfig) -> Any:
    """The model that the passes run through: itself, or a copy in a narrower dtype beside it.

    A base in bfloat16 itself, not float32 under autocast, which would keep 2 bytes a parameter of copies in the graph.
    """
    if settings.compute_dtype == "model" or model.dtype == torch.bfloat16:
        return model
    return copy.deepcopy(model).to(torch.bfloat16)


def passes_of(comparison: Comparison, *, shared: bool, cache: TeacherCache | None = None) -> Passes:
    """The cheapest way to read batches for these objectives."""
    depth, reader = comparison.depth, comparison.reader
    if cache is not None:
        return Remembered(reader, cache, shared)
    # A prefix is shared with the teacher's pass: it must come as deep as the student's.
    if shared and depth.teacher and (depth.teacher_final or not depth.student_final):
        return Shared(reader, depth)
    return Whole(reader, depth)


def can_share(model: Any, settings: DistillConfig, longest: int) -> bool:
    """Whether passes share a prefix: it is wanted, and this model's attention can."""
    if not settings.share_prefix:
        return False
    reason = obstacle(model, longest)
    if reason:
        say(f"both passes read whole windows: {reason}")
    return not reason


def pass_tokens(model: Any, settings: DistillConfig, vocabulary: int, longest: int) -> int:
    """Base tokens of one pass, padding included: a whole step's, fewer where memory is to be spared or has a budget.

    Raises:
        ConfigError: the budget is too small for one window.
    """
    if settings.memory_gib is None:
        most = max(CHECKPOINTED, longest) if settings.gradient_checkpointing else settings.tokens_per_step
        return min(most, settings.tokens_per_step)
    shape = Shape.of(model)
    each = shape.bytes_per_token(checkpointing=settings.gradient_checkpointing)
    fixed = chunk_bytes(vocabulary, settings.chunk or fitting_chunk(vocabulary))
    tokens = int((settings.memory_gib * 2**30 - fixed) / each)
    if tokens < longest:
        needed = (fixed + each * longest) / 2**30
        raise ConfigError(
            found=f"distill.memory_gib = {settings.memory_gib:g}; a window of {longest} base tokens takes {needed:.2g}",
            expected=f"{math.ceil(needed * 100) / 100:g} or more, beside the model itself",
            do="raise it, lower distill.max_length or distill.chunk, or set distill.gradient_checkpointing",
        )
    return min(tokens, settings.tokens_per_step)


def kept_of(comparison: Comparison, kind: str, *, everywhere: bool) -> Kept | None:
    """What a cache must keep for these objectives; None: they ask for more than one can keep."""
    settings, final = comparison.settings, comparison.layers <= {comparison.last}
    states = bool(comparison.layers) or everywhere
    if not comparison.depth.teacher or not final or (kind == "top-k" and states):
        return None
    head = comparison.head.weight
    if kind == "top-k":
        return Kept(kind, min(settings.teacher_top, len(head)), torch.float32, False, settings.temperature)
    return Kept(kind, head.shape[1], comparison.composed.model.dtype, everywhere)


@contextmanager
def teacher_cache(
    comparison: Comparison, windows: Sequence[Window], steps: int, place: Path | None, own_tokens: int
) -> Iterator[TeacherCache | None]:
    """The teacher's answers for windows that have new tokens, where keeping them pays or is asked for.

    `place` is the run's folder, None where there is none: what is kept there goes with the block. A folder from the
    settings keeps it. Either way gives the same bits, so that a result does not depend on where it was computed.
    """
    settings = comparison.settings
    kind = _kind(settings, windows, steps, own_tokens)
    everywhere = comparison.tree is not None or settings.anchor != "boundary"
    kept = None if kind is None else kept_of(comparison, kind, everywhere=everywhere)
    taught = list({id(window): window for window in windows if window.first_new < len(window.student)}.values())
    if kept is None or not taught:
        yield None
        return
    tables = comparison.composed.tables
    own: list[Tensor] = [tables.embedding.weight, tables.head.weight]
    key = cache_key(hash_weights(comparison.composed.model, comparison.composed.base_size, own), taught, kept)
    limit = settings.teacher_cache_gib * 2**30
    with _place(settings, place) as folder:
        yield open_cache(folder, key, kept, taught, Answers(comparison), limit)
        if settings.teacher_cache_dir is None:
            shutil.rmtree(folder / f"teacher-{key}", ignore_errors=True)


@contextmanager
def _place(settings: DistillConfig, place: Path | None) -> Iterator[Path]:
    if settings.teacher_cache_dir:
        yield Path(settings.teacher_cache_dir).expanduser()
    elif place is not None:
        yield place
    else:
        with TemporaryDirectory() as folder:
            yield Path(folder)


def _kind(settings: DistillConfig, windows: Sequence[Window], steps: int, own_tokens: int) -> str | None:
    if settings.shard:
        return None  # it is made by one process, and a block is put together by all of them
    if settings.teacher_cache != "auto":
        return None if settings.teacher_cache == "none" else settings.teacher_cache
    batches = len(epoch_batches(windows, own_tokens, 0, 0))
    return "states" if steps >= AGAIN * batches else None


class Answers:
    """The teacher's final states of a batch, and their logits: what a cache is made of."""

    def __init__(self, comparison: Comparison) -> None:
        self._composed, self._head = comparison.composed, comparison.head

    @torch.no_grad()
    def __call__(self, batch: PairedBatch) -> tuple[Tensor, Any]:
        """(states at every place, flat; states → logits)."""
        return self._composed.hidden(batch.teacher.to(self._composed.model.device)).flatten(0, 1), self._logits

    def _logits(self, states: Tensor) -> Tensor:
        head: Head = self._head
        return head.projection.logits(states, head.weight, head.bias)
