"""One minus the cosine of hidden states."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from tokengraft.losses import TEACHER, state_objectives


@state_objectives.register("hidden-cosine", paper="Sanh et al. 2019 (DistilBERT), cosine loss", needs=(TEACHER,))
def hidden_cosine(
    student: Float[Tensor, "positions d"], teacher: Float[Tensor, "positions d"]
) -> Float[Tensor, " positions"]:
    """1 − cosine of the two states, from 0 to 2: their direction, whatever their length. Layers as in `hidden-mse`.

    >>> import torch
    >>> hidden_cosine(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 0.0], [1.0, 0.0]])).tolist()
    [0.0, 1.0]
    """
    return 1 - F.cosine_similarity(student.float(), teacher.float(), dim=1)
