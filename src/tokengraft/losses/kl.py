"""Forward KL over the base vocabulary."""

import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.losses import TEACHER, InputChunk, input_objectives
from tokengraft.losses.top_teacher import TopTeacher


@input_objectives.register("kl", paper="Hinton et al. 2015, eq. 2, on the base vocabulary", needs=(TEACHER,))
def kl(chunk: InputChunk) -> tuple[Float[Tensor, " positions"], Float[Tensor, "positions base"], None]:
    """KL(P ‖ Q) in nats: P the teacher, Q the student, both over the base vocabulary and renormalised.

    The gradient at the student's logits is (q − p) / temperature. It is not multiplied by temperature², so a change of
    temperature changes the scale of the loss. Of a teacher of which only the largest logits are kept, all others are
    one event: see `losses.top_teacher`.

    >>> zeros = torch.zeros(1, 2)
    >>> loss, gradient, _ = kl(InputChunk(zeros.clone(), zeros, zeros.clone(), torch.tensor([0])))
    >>> loss.item(), gradient.tolist()
    (0.0, [[0.0, 0.0]])
    """
    student, teacher, temperature = chunk.old, chunk.teacher, chunk.temperature
    assert teacher is not None
    if temperature != 1:
        student = student.div_(temperature)
    loss, gradient = teacher.divergence(student) if isinstance(teacher, TopTeacher) else _whole(teacher, chunk)
    return loss, gradient if temperature == 1 else gradient.div_(temperature), None


def _whole(teacher: Float[Tensor, "positions base"], chunk: InputChunk) -> tuple[Tensor, Tensor]:
    if chunk.temperature != 1:
        teacher = teacher.div_(chunk.temperature)
    # torch's own log-softmax is one pass where a log-sum and a subtraction are three: half the time on a CPU.
    log_q, log_p = torch.log_softmax(chunk.old, 1), torch.log_softmax(teacher, 1)
    p = log_p.exp()
    loss = log_p.sub_(log_q).mul_(p).sum(1)
    return loss, log_q.exp_().sub_(p)
