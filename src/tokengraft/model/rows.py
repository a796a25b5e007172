"""New rows that train alone: parameters of their own beside frozen tables.

A table of V rows of which n are new costs, trained the usual way, a V×d gradient and two V×d moments, though V − n rows
should never move (and weight decay moves them all the same). Here only the n×d rows are parameters; tables are read.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from tokengraft.model.tables import Tables, find_tables, require_rows


class NewRows(nn.Module):
    """New rows of both tables in float32, whatever the dtype of the model. When tied, one tensor serves both."""

    def __init__(
        self, inputs: Float[Tensor, "new d"], head: Float[Tensor, "new d"], bias: Float[Tensor, " new"] | None, *,
        tied: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.tied = tied
        self.inputs = nn.Parameter(inputs.detach().float().clone())
        self.head = self.inputs if tied else nn.Parameter(head.detach().float().clone())
        self.bias = None if bias is None else nn.Parameter(bias.detach().float().clone())

    @classmethod
    def read(cls, model: Any, base_size: int, size: int) -> "NewRows":
        """The rows [base_size, size) as they stand in a grown model."""
        tables = find_tables(model)
        require_rows(tables, size)
        chosen = slice(base_size, size)
        bias = None if tables.head_bias is None else tables.head_bias[chosen]
        return cls(tables.input_weight[chosen], tables.head_weight[chosen], bias, tied=tables.tied)

    @torch.no_grad()
    def write(self, model: Any, base_size: int) -> None:
        """Puts the rows into the model's tables, cast to their dtype; no other row is touched."""
        tables = find_tables(model)
        require_rows(tables, base_size + len(self.inputs))
        chosen = slice(base_size, base_size + len(self.inputs))
        tables.input_weight[chosen] = self.inputs.to(tables.input_weight)
        if not self.tied:
            tables.head_weight[chosen] = self.head.to(tables.head_weight)
        if self.bias is not None and tables.head_bias is not None:
            tables.head_bias[chosen] = self.bias.to(tables.head_bias)

    @torch.no_grad()
    def round_to(self, dtype: torch.dtype) -> None:
        """Rounds every value to what `dtype` can hold: what is measured is then what is stored."""
        for parameter in self.parameters():
            parameter.copy_(parameter.to(dtype).float())


@contextmanager
def frozen(model: Any) -> Iterator[None]:
    """In the block the model asks for no gradient and drops nothing out; after it, it is as it was.

    Models from `from_pretrained` ask for gradients of every weight: a step would fill them all.
    """
    modes = [(module, module.training) for module in model.modules()]
    asking = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.eval().requires_grad_(False)
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter in asking:
            parameter.requires_grad_(True)


class Composed:
    """A frozen model whose old rows come from its tables and whose new rows come from `rows`.

    The old part of each table is a view: nothing of size V×d is made, in any step.
    """

    def __init__(self, model: Any, rows: NewRows, base_size: int) -> None:
        self.model = model
        self.rows = rows
        self.base_size = base_size
        self.tables: Tables = find_tables(model)
        self._scale = getattr(self.tables.embedding, "embed_scale", None)

    @property
    def base_head(self) -> Float[Tensor, "base d"]:
        """Head rows of the base vocabulary, without padding rows."""
        return self.tables.head_weight.detach()[: self.base_size]

    @property
    def base_bias(self) -> Float[Tensor, " base"] | None:
        """Their bias, where the head has one."""
        bias = self.tables.head_bias
        return None if bias is None else bias.detach()[: self.base_size]

    def embed(self, ids: Int[Tensor, "rows width"]) -> Float[Tensor, "rows width d"]:
        """Input vectors in the model's dtype; gradient flows to the new rows only."""
        new = ids >= self.base_size
        with torch.no_grad():
            vectors = self.tables.embedding(ids.masked_fill(new, 0))
        if not new.any():
            return vectors
        learned = F.embedding(ids[new] - self.base_size, self.rows.inputs)
        if self._scale is not None:
            learned = learned * self._scale
        return vectors.masked_scatter(new[..., None], learned.to(vectors.dtype))

    def hidden(self, ids: Int[Tensor, "rows width"], **others: Any) -> Float[Tensor, "rows width d"]:
        """Final hidden states, what the head reads, of rows padded on the right. `others` are handed to the model.

        No mask is passed: attention is causal, so no real position can see the padding behind it.
        """
        return self.model.base_model(inputs_embeds=self.embed(ids), use_cache=False, **others).last_hidden_state
