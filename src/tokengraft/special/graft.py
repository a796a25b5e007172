"""A loaded model with control tokens: grown, rows written, settings agreeing, and every step undone on request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from tokengraft.errors import CheckError, ModelError
from tokengraft.evaluation.exactness import Imprint
from tokengraft.model import NewRows, find_tables, grow
from tokengraft.model.rows import frozen
from tokengraft.special.hearing import listen
from tokengraft.special.packing import unpacked
from tokengraft.special.plan import Plan
from tokengraft.special.rows import Rows, Silence, make_rows, silence_of
from tokengraft.special.settings import changed_config, changed_generation
from tokengraft.special.settling import Settled, settled_rows
from tokengraft.special.settling_texts import Text


@dataclass(frozen=True)
class Undo:
    """What a model was: its number of rows, the padding rows that tokens took, and its settings."""

    rows: int
    first: int
    taken: dict[str, Tensor] = field(repr=False)
    config: dict[str, Any] = field(repr=False)
    generation: dict[str, Any] = field(repr=False)
    padding_idx: int | None = None


@dataclass(frozen=True)
class Grafted:
    """What was done to a model, with figures from text other than what the rows were fitted on."""

    rows_before: int
    rows_after: int
    made: Rows = field(repr=False)
    shares: tuple[float, ...]
    """Mean probability of each new token on text that the model writes itself."""
    pad: Silence
    """What the pad token takes."""
    phantoms: Silence
    """What the rows without a token take."""
    suppressed: tuple[int, ...]
    compared_logits: int
    undo: Undo = field(repr=False)
    settled: Settled | None = None


def plain(model: Any) -> Any:
    """The model inside a PEFT model; any other as it is."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def graft(
    model: Any, plan: Plan, *, pad_to_multiple_of: int = 1, share: float = 1e-3, seed: int = 0,
    texts: Sequence[Text] | None = None,
) -> Grafted:  # fmt: skip
    """What was done; `model` is changed in place, and only once everything that can fail has gone well.

    `texts` are what the tokens are settled on: None settles none, and where there is none the model writes them itself.

    Raises:
        ModelError: the model's tables cannot be grown, or are not the tokenizer's.
        CheckError: an old row or an old logit changed; the model is as it was.
    """
    inner = plain(model)
    tables = find_tables(inner)
    _refuse_foreign(plan.base_size, tables.rows)
    first = plan.base_size
    needed = -(-max(tables.rows, plan.size) // pad_to_multiple_of) * pad_to_multiple_of
    phantoms = max(0, needed - max(tables.rows, plan.size))
    with frozen(inner), unpacked(inner):
        heard, other, judged = listen(inner, first, seed)
        imprint = Imprint.take(inner, list(range(first)), first, batches=2)
        made = make_rows(
            inner, plan.base, plan.word_tokens, plan.tokens, heard, other, phantoms=phantoms, share=share, seed=seed
        )
    undo = _remember(inner, first, plan.size)
    try:
        # Outside of `frozen`: the larger tables ask for gradients as the old ones did.
        grow(inner, plan, pad_to_multiple_of=pad_to_multiple_of)
        _write(inner, made.new, first, plan.size, phantoms)
        settled = None
        if texts is not None:
            with frozen(inner), unpacked(inner):
                made, settled = settled_rows(inner, plan, made, (heard, other), texts, share=share, seed=seed)
            _write(inner, made.new, first, plan.size, phantoms)
        with frozen(inner), unpacked(inner):
            exact = imprint.compare(inner)
        _require_exact(exact.old_rows_identical, exact.old_logits_identical)
    except BaseException:
        revert(inner, undo)
        raise
    rows = find_tables(inner).rows
    suppressed = plan.suppressed(rows)
    _set_configs(inner, plan, rows, suppressed)
    tables = find_tables(inner)
    return Grafted(
        undo.rows, rows, made, tuple(judged.mean_shares(*_heads(inner, first, plan.size)).tolist()),
        silence_of(tables, judged, plan.pads), silence_of(tables, judged, range(plan.size, rows)), suppressed,
        exact.compared_logits, undo, settled,
    )  # fmt: skip


@torch.no_grad()
def revert(model: Any, undo: Undo) -> None:
    """Takes back what `graft` did to a loaded model: rows, settings, and the padding rows that tokens had taken."""
    inner = plain(model)
    tables = find_tables(inner)
    if tables.rows != undo.rows:
        _cut(tables, undo.rows)
    for name, kept in undo.taken.items():
        part = getattr(tables, name)
        part[undo.first : undo.first + len(kept)] = kept
    tables.embedding.padding_idx = undo.padding_idx
    _restore(inner.config, undo.config)
    if getattr(inner, "generation_config", None) is not None:
        _restore(inner.generation_config, undo.generation)
    if hasattr(inner, "vocab_size"):
        inner.vocab_size = undo.rows


def _refuse_foreign(ids: int, rows: int) -> None:
    if ids > rows:
        raise ModelError(
            found=f"{ids} ids in the tokenizer and {rows} rows in the model's tables",
            expected="a row for every id",
            do="use the tokenizer that belongs to this model",
        )


def _require_exact(rows: bool, logits: bool) -> None:
    if not (rows and logits):
        raise CheckError(
            found=f"old rows identical: {rows}, old logits identical: {logits}",
            expected="both identical bit for bit after growing",
            do="report the architecture and the device; the model is as it was",
        )


def _heads(model: Any, first: int, size: int) -> tuple[Tensor, Tensor | None]:
    tables = find_tables(model)
    bias = None if tables.head_bias is None else tables.head_bias.detach()[first:size].float().cpu()
    return tables.head_weight.detach()[first:size].float().cpu(), bias


def _remember(model: Any, first: int, size: int) -> Undo:
    tables = find_tables(model)
    parts = {"input_weight": tables.input_weight, "head_weight": tables.head_weight, "head_bias": tables.head_bias}
    taken = {name: part.detach()[first:size].clone() for name, part in parts.items() if part is not None}
    generation = getattr(model, "generation_config", None)
    return Undo(
        tables.rows, first, taken, _settings(model.config), {} if generation is None else _settings(generation),
        tables.embedding.padding_idx,
    )  # fmt: skip


def _settings(config: Any) -> dict[str, Any]:
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    names = ("vocab_size", "pad_token_id", "bos_token_id", "eos_token_id", "suppress_tokens")
    return {name: getattr(text, name, None) for name in names if hasattr(text, name)}


def _restore(config: Any, settings: Mapping[str, Any]) -> None:
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    for name, value in settings.items():
        setattr(text, name, value)


def _write(model: Any, new: NewRows, first: int, size: int, phantoms: int) -> None:
    """Rows of tokens at their ids; those of no token at the end, behind the padding rows that there were."""
    tables = find_tables(model)
    count = size - first
    _part(new, 0, count).write(model, first)
    if phantoms:
        _part(new, count, count + phantoms).write(model, tables.rows - phantoms)


def _part(new: NewRows, start: int, end: int) -> NewRows:
    bias = None if new.bias is None else new.bias[start:end]
    return NewRows(new.inputs[start:end], new.head[start:end], bias, tied=new.tied)


def _cut(tables: Any, rows: int) -> None:
    tables.embedding.weight = nn.Parameter(tables.input_weight[:rows].clone(), tables.input_weight.requires_grad)
    tables.embedding.num_embeddings = rows
    tables.head.weight = (
        tables.embedding.weight
        if tables.tied
        else nn.Parameter(tables.head_weight[:rows].clone(), tables.head_weight.requires_grad)
    )
    tables.head.out_features = rows
    if tables.head_bias is not None:
        tables.head.bias = nn.Parameter(tables.head_bias[:rows].clone(), tables.head_bias.requires_grad)


def _set_configs(model: Any, plan: Plan, rows: int, suppressed: Sequence[int]) -> None:
    text = model.config.get_text_config()
    for name, value in changed_config(plan.role_ids, rows).items():
        setattr(text, name, value)
    generation = getattr(model, "generation_config", None)
    if generation is not None:
        before = {name: getattr(generation, name, None) for name in ("eos_token_id", "suppress_tokens")}
        for name, value in changed_generation(before, plan.role_ids, suppressed, plan.ids).items():
            setattr(generation, name, value)
    if "pad" in plan.role_ids:
        # The lookup gives this row no gradient, whatever a batch holds.
        find_tables(model).embedding.padding_idx = plan.role_ids["pad"]
