"""Forward KL over the base vocabulary."""

from jaxtyping import Float
from torch import Tensor

from tokengraft.losses import TEACHER, InputChunk, input_objectives


@input_objectives.register("kl", paper="Hinton et al. 2015, eq. 2, on the base vocabulary", needs=(TEACHER,))
def kl(chunk: InputChunk) -> tuple[Float[Tensor, " positions"], Float[Tensor, "positions base"], None]:
    """KL(P ‖ Q) in nats: P the teacher, Q the student, both over the base vocabulary and renormalised.

    The gradient at the student's logits is (q − p) / temperature. It is not multiplied by temperature², so a change of
    temperature changes the scale of the loss.

    >>> import torch
    >>> zeros = torch.zeros(1, 2)
    >>> loss, gradient, _ = kl(InputChunk(zeros.clone(), zeros, zeros.clone(), torch.tensor([0])))
    >>> loss.item(), gradient.tolist()
    (0.0, [[0.0, 0.0]])
    """
    student, teacher, temperature = chunk.old, chunk.teacher, chunk.temperature
    assert teacher is not None
    if temperature != 1:
        student, teacher = student.div_(temperature), teacher.div_(temperature)
    log_q = student.sub_(student.logsumexp(1, keepdim=True))
    log_p = teacher.sub_(teacher.logsumexp(1, keepdim=True))
    p = log_p.exp()
    loss = log_p.sub_(log_q).mul_(p).sum(1)
    gradient = log_q.exp_().sub_(p)
    return loss, gradient if temperature == 1 else gradient.div_(temperature), None
