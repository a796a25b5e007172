"""Where a model keeps its input embedding and its LM head."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tokengraft.errors import ModelError


@dataclass(frozen=True, slots=True)
class Tables:
    """The two tables of a causal LM, as modules, so that they can be grown and read in place."""

    embedding: nn.Embedding
    head: nn.Linear
    tied: bool

    @property
    def input_weight(self) -> Float[Tensor, "rows d"]:
        """The input embedding."""
        return self.embedding.weight

    @property
    def head_weight(self) -> Float[Tensor, "rows d"]:
        """The LM head; the same tensor as the input embedding when tied."""
        return self.head.weight

    @property
    def head_bias(self) -> Float[Tensor, " rows"] | None:
        """The head's bias, where it has one."""
        return self.head.bias

    @property
    def rows(self) -> int:
        """Rows of the input table; padded models have more of them than their tokenizer has ids."""
        return self.embedding.weight.shape[0]


def find_tables(model: Any) -> Tables:
    """The tables of a Hugging Face causal LM.

    Raises:
        ModelError: the model has no input embedding or no head, or they are of a kind that cannot be grown.
    """
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    if head is None:
        raise ModelError(
            found=f"{type(model).__name__} without a language-model head",
            expected="a causal language model (…ForCausalLM)",
            do="load the checkpoint that has the head, or another model",
        )
    for module, kind, what in ((embedding, nn.Embedding, "input embedding"), (head, nn.Linear, "head")):
        if not isinstance(module, kind) or not module.weight.is_floating_point():
            raise ModelError(
                found=f"{what} of type {type(module).__name__} ({module.weight.dtype})",
                expected=f"a plain torch {kind.__name__} in floating point",
                do="load the model without quantising its tables",
            )
    tied = head.weight is embedding.weight or head.weight.data_ptr() == embedding.weight.data_ptr()
    if head.weight.shape != embedding.weight.shape:
        raise ModelError(
            found=f"input table {tuple(embedding.weight.shape)} and head {tuple(head.weight.shape)}",
            expected="two tables of one shape",
            do="use a model whose tables agree",
        )
    return Tables(embedding, head, tied)


def require_rows(tables: Tables, size: int) -> None:
    """Returns if there is a row for every id below `size`.

    Raises:
        ModelError: the model was not grown.
    """
    if tables.rows < size:
        raise ModelError(
            found=f"{tables.rows} rows for {size} ids", expected="a grown model", do="call grow(model, extension) first"
        )


def refuse_missing_head(model: Any, loading: dict[str, Any]) -> None:
    """Raises if the checkpoint lacked weights, so that the head or a table was made up at random in silence.

    Raises:
        ModelError: a weight was missing or of another shape.
    """
    missing = sorted(loading.get("missing_keys", ())) + sorted(str(key) for key in loading.get("mismatched_keys", ()))
    if missing:
        raise ModelError(
            found=f"weights that the checkpoint lacks: {', '.join(missing[:3])}{', …' if len(missing) > 3 else ''}",
            expected=f"every weight of {type(model).__name__}",
            do="use a complete checkpoint: missing weights would be random",
        )


def same_bits(left: Tensor, right: Tensor) -> bool:
    """Whether two tensors hold the same bits; unlike `torch.equal`, NaN equals itself and 0 differs from −0."""
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    return torch.equal(left.contiguous().view(torch.uint8), right.contiguous().view(torch.uint8))
