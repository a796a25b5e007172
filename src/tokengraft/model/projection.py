"""From hidden states to logits, as each architecture does it, so that the loss can do it in pieces."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.errors import ModelError
from tokengraft.model.tables import find_tables


@dataclass(frozen=True, slots=True)
class Projection:
    """logits = cap · tanh(scale · (h Wᵀ + b) / cap); without a cap, scale · (h Wᵀ + b)."""

    scale: float = 1.0
    cap: float | None = None

    def logits(
        self, hidden: Float[Tensor, "positions d"], head: Float[Tensor, "ids d"], bias: Float[Tensor, " ids"] | None
    ) -> Float[Tensor, "positions ids"]:
        """Logits in float32, out of a product in the dtype of `head`."""
        raw = _product(hidden.to(head.dtype), head)
        if bias is not None:
            raw += bias.float()
        if self.scale != 1:
            raw *= self.scale
        return raw if self.cap is None else raw.div_(self.cap).tanh_().mul_(self.cap)

    def raw_gradient(
        self, gradient: Float[Tensor, "positions ids"], logits: Float[Tensor, "positions ids"]
    ) -> Float[Tensor, "positions ids"]:
        """Gradient at h Wᵀ + b from the gradient at the logits; `gradient` is changed in place."""
        if self.cap is not None:
            gradient *= 1 - (logits / self.cap).square()
        return gradient if self.scale == 1 else gradient.mul_(self.scale)


def _product(left: Float[Tensor, "m d"], right: Float[Tensor, "n d"]) -> Float[Tensor, "m n"]:
    # Low-precision logits cost 8 times the error of float32 ones out of the same low-precision operands.
    if left.is_cuda and left.dtype != torch.float32:
        return torch.mm(left, right.T, out_dtype=torch.float32)
    return (left @ right.T).float()


@torch.no_grad()
def find_projection(model: Any, *, tolerance: float = 2e-2) -> Projection:
    """How this model makes logits of hidden states, read from its settings and then tried on four tokens.

    Raises:
        ModelError: the model does something else between its last hidden state and its logits.
    """
    config = model.config.get_text_config()
    scale = float(getattr(config, "logit_scale", None) or 1) / float(getattr(config, "logits_scaling", None) or 1)
    cap = getattr(config, "final_logit_softcapping", None)
    projection = Projection(scale, None if cap is None else float(cap))
    tables = find_tables(model)
    ids = torch.arange(min(4, tables.rows), device=model.device)[None]
    hidden = model.base_model(input_ids=ids, use_cache=False).last_hidden_state[0]
    ours = projection.logits(hidden, tables.head_weight, tables.head_bias)
    theirs = model(input_ids=ids, use_cache=False).logits[0].float()
    difference = (ours - theirs).abs().max().item()
    if not difference <= tolerance * max(1.0, theirs.abs().max().item()):
        raise ModelError(
            found=f"{type(model).__name__}, whose logits differ by {difference:.3g} from its head's product",
            expected="logits = head(hidden), scaled or soft-capped as the settings say",
            do="report the architecture; tables of this model can be grown but not distilled yet",
        )
    return projection
