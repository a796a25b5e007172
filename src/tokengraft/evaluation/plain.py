"""Phase 1 the plain way: what a user of transformers writes today, and the measure of what the engine saves.

Resized tables that train as a whole, whole logits of teacher and student in float32, torch's own losses, AdamW. Nothing
is made worse than it need be: one copy of the model serves as teacher and student (who wants a teacher that stays as it
is while the tables move would hold a second), the rest is frozen, and no mask is made for right padding.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from torch.optim import AdamW, Optimizer

from tokengraft.losses import NO_TARGET
from tokengraft.model.tables import find_tables
from tokengraft.training.batches import PairedBatch


@dataclass(frozen=True, slots=True)
class PlainLosses:
    """Both losses in nats per position, with the graph that they were made by."""

    kl: Float[Tensor, ""]
    cross_entropy: Float[Tensor, ""]


@dataclass(frozen=True, slots=True)
class PlainGradients:
    """Gradients of the sum of both losses at the new rows; one tensor where the tables are tied."""

    inputs: Float[Tensor, "new d"]
    head: Float[Tensor, "new d"]


def plain_optimizer(model: Any, rate: float = 1e-3) -> AdamW:
    """AdamW over both tables (and the head's bias), which from now on require gradients; the rest is frozen."""
    model.requires_grad_(requires_grad=False)
    tables = find_tables(model)
    parts = [tables.embedding.weight, tables.head.weight, tables.head_bias]
    trained = list({id(part): part for part in parts if part is not None}.values())
    for part in trained:
        part.requires_grad = True
    return AdamW(trained, lr=rate)


def plain_losses(model: Any, batch: PairedBatch, base_size: int, size: int, temperature: float = 1.0) -> PlainLosses:
    """KL(teacher ‖ student) over the ids [0, base_size) at the compared positions, and cross-entropy of the next id
    over [0, size) at every position that has one; both are means over their positions.

    The engine's own losses, without its rule that neither reaches the other's rows: differentiate them apart for that.
    """
    student = model(input_ids=batch.student, use_cache=False).logits.float().flatten(0, 1)
    with torch.no_grad():
        teacher = model(input_ids=batch.teacher, use_cache=False).logits.float().flatten(0, 1)
    q = F.log_softmax(student[batch.compared, :base_size] / temperature, dim=-1)
    p = F.log_softmax(teacher[batch.compared_teacher, :base_size] / temperature, dim=-1)
    kl = F.kl_div(q, p, reduction="batchmean", log_target=True)
    targets = torch.full((len(student),), NO_TARGET, device=student.device)
    targets[batch.compared], targets[batch.before] = batch.compared_targets, batch.before_targets
    return PlainLosses(kl, F.cross_entropy(student[:, :size], targets, ignore_index=NO_TARGET))


def plain_step(
    model: Any, batch: PairedBatch, optimizer: Optimizer, base_size: int, size: int, temperature: float = 1.0
) -> tuple[PlainLosses, PlainGradients]:
    """One step: the losses, and the gradients of the new rows as they were before the optimiser moved anything.

    The gradients are views; whoever keeps them keeps two whole tables.
    """
    optimizer.zero_grad(set_to_none=True)
    losses = plain_losses(model, batch, base_size, size, temperature)
    (losses.kl + losses.cross_entropy).backward()
    tables = find_tables(model)
    inputs, head = tables.embedding.weight.grad, tables.head.weight.grad
    assert inputs is not None, "plain_optimizer makes the tables trainable"
    assert head is not None
    optimizer.step()
    detached = PlainLosses(losses.kl.detach(), losses.cross_entropy.detach())
    return detached, PlainGradients(inputs[base_size:size], head[base_size:size])
