"""A model together with the ids that it may read and predict."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from tokengraft.model.projection import Projection, find_projection
from tokengraft.model.tables import find_tables


@dataclass(frozen=True, slots=True)
class Reader:
    """A causal LM over the ids [0, size).

    Rows beyond `size` (padding, rows of ids that this tokenizer does not have) stand for no text. They take no part in
    any softmax: a padding row that was never trained has a logit of about 0 and would take mass from real tokens.
    """

    model: Any
    size: int
    projection: Projection

    @classmethod
    def of(cls, model: Any, size: int | None = None) -> "Reader":
        """A reader of `model`; `size` None: every row of its tables is an id.

        Raises:
            ModelError: the model has no tables, or makes logits of hidden states in a way that is not known.
        """
        return cls(model, find_tables(model).rows if size is None else size, find_projection(model))

    @property
    def head(self) -> Float[Tensor, "size d"]:
        """Head rows of the ids that exist."""
        return find_tables(self.model).head_weight.detach()[: self.size]

    @property
    def bias(self) -> Float[Tensor, " size"] | None:
        """Their bias, where the head has one."""
        bias = find_tables(self.model).head_bias
        return None if bias is None else bias.detach()[: self.size]

    def hidden(self, ids: Int[Tensor, "rows width"]) -> Float[Tensor, "rows width d"]:
        """Final hidden states, what the head reads, of rows padded on the right.

        No mask is passed: attention is causal, so no real position can see the padding behind it.
        """
        return self.model.base_model(input_ids=ids.to(self.model.device), use_cache=False).last_hidden_state

    def logits(self, hidden: Float[Tensor, "positions d"]) -> Float[Tensor, "positions size"]:
        """Logits in float32 over the ids that exist."""
        return self.projection.logits(hidden, self.head, self.bias)
