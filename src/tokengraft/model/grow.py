"""Growing both tables in place: more rows, the old ones bit-identical, ties kept."""

from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tokengraft.errors import ModelError
from tokengraft.model.tables import Tables, find_tables


class Extension(Protocol):
    """What growing needs to know of an extended tokenizer: ids up to `base_size` are old, those up to `size` exist."""

    @property
    def base_size(self) -> int: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102


def grow(model: Any, extension: Extension, *, pad_to_multiple_of: int = 1) -> Any:
    """The same model, with at least `extension.size` rows in each table.

    Every row that there was keeps its bits, padding rows too, and so do its logits. A new row is zero until
    `initialise` fills it. New ids may fall into rows that the table already had as padding; `initialise` fills those
    as well, because it goes by ids and not by rows.

    Raises:
        ModelError: the tokenizer has ids beyond the model's tables, so the two do not belong together.
    """
    tables = find_tables(model)
    _refuse_sharded(tables)
    if extension.base_size > tables.rows:
        raise ModelError(
            found=f"{extension.base_size} ids in the tokenizer and {tables.rows} rows in the model's tables",
            expected="a row for every id",
            do="use the tokenizer that belongs to this model",
        )
    rows = -(-max(tables.rows, extension.size) // pad_to_multiple_of) * pad_to_multiple_of
    if rows > tables.rows:
        _resize(tables, rows)
        model.config.get_text_config().vocab_size = rows
        if hasattr(model, "vocab_size"):
            model.vocab_size = rows
    return model


def _refuse_sharded(tables: Tables) -> None:
    """DeepSpeed marks what ZeRO-3 holds a part of; such a table has no rows to grow (transformers#41959)."""
    if hasattr(tables.input_weight, "ds_id"):
        raise ModelError(
            found="tables that DeepSpeed ZeRO-3 has sharded",
            expected="whole tables",
            do="grow and save the model in one process without DeepSpeed, then load that folder under it",
        )


def _resize(tables: Tables, rows: int) -> None:
    bias = tables.head_bias
    tables.embedding.weight = nn.Parameter(_taller(tables.input_weight, rows), tables.input_weight.requires_grad)
    tables.embedding.num_embeddings = rows
    tables.head.weight = (
        tables.embedding.weight
        if tables.tied
        else nn.Parameter(_taller(tables.head_weight, rows), tables.head_weight.requires_grad)
    )
    tables.head.out_features = rows
    if bias is not None:
        tables.head.bias = nn.Parameter(_taller(bias[:, None], rows)[:, 0].contiguous(), bias.requires_grad)


def _taller(table: Float[Tensor, "old d"], rows: int) -> Float[Tensor, "rows d"]:
    grown = torch.zeros(rows, table.shape[1], dtype=table.dtype, device=table.device)
    grown[: table.shape[0]] = table.detach()
    return grown
