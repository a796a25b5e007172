"""Mean squared error of hidden states."""

from jaxtyping import Float
from torch import Tensor

from tokengraft.losses import TEACHER, state_objectives


@state_objectives.register(
    "hidden-mse", paper="Dobler et al. 2025 (Token Distillation), https://arxiv.org/abs/2505.20133, eq. 1",
    needs=(TEACHER,),
)  # fmt: skip
def hidden_mse(
    student: Float[Tensor, "positions d"], teacher: Float[Tensor, "positions d"]
) -> Float[Tensor, " positions"]:
    """Mean over the entries of the squared difference of the two states, in float32.

    `hidden-mse@3` compares after the third block, counted as transformers counts `hidden_states`; `hidden-mse` alone,
    and `@-1`, what the head reads.

    >>> import torch
    >>> hidden_mse(torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0, 1.0]])).tolist()
    [2.0]
    """
    return (student.float() - teacher.float()).square().mean(1)
