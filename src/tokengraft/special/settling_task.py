"""One step of settling, and what the tokens cost: a student that reads them beside a teacher that does not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy

from tokengraft.model import NewRows
from tokengraft.model.projection import find_projection
from tokengraft.model.rows import Composed
from tokengraft.special.settling_texts import Batch, Text, batch_of

ROWS, CHUNK = 4, 256
"""Texts of a step; predictions whose logits are held at once."""

HELD = 16
"""Texts of a kind at most that the rows are not fitted on; they are read at every look."""

RATE, BETAS = 0.5, (0.9, 0.95)
"""Rate of Adam, in parts of a typical entry of the table."""

LOUDNESS = 10.0
"""With tied tables an input row is a head row too: how much more its own probability counts than the rest of the KL."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What tokens in a text make its own tokens cost more."""

    total: float
    """Part by which their mean loss is larger."""
    elsewhere: float
    """The part of it that is not right behind one of the tokens."""
    behind: float
    """Nats that a token right behind one costs more."""
    turns: float | None
    """Part by which texts are dearer that are two joined, with a token between them; None where there are none."""

    @property
    def worst(self) -> float:
        """The larger of what both kinds of text cost."""
        return max(abs(self.total), self.turns or 0.0)

    @property
    def together(self) -> float:
        """What rows are chosen by: texts that got cheaper make up for no others."""
        return abs(self.total) + max(self.turns or 0.0, 0.0)


class Task:
    """Rows that learn, the frozen model around them, and the texts with what the model makes of them alone."""

    def __init__(
        self, model: Any, made: NewRows, base_size: int, tokens: Sequence[int], texts: Sequence[Text],
        begin: int | None, seed: int,
    ) -> None:  # fmt: skip
        self.rows = NewRows(made.inputs, made.head, made.bias, tied=made.tied).to(model.device)
        self.composed, self.projection = Composed(model, self.rows, base_size), find_projection(model)
        self.tokens, self.begin = tokens, begin
        whole = [text for text in texts if text.turn is None]
        turns = [text for text in texts if text.turn is not None]
        self.held, self.held_turns = (kind[: max(1, min(HELD, len(kind) // 4))] for kind in (whole, turns))
        self.texts = [text for text in texts if text not in [*self.held, *self.held_turns]] or texts
        self.generator = torch.Generator().manual_seed(seed)
        self.moving = torch.zeros(len(made.inputs), 1, device=model.device)
        self.moving[[token - base_size for token in tokens]] = 1
        norms = self.composed.tables.input_weight.detach()[:base_size].float().norm(dim=1)
        self.longest = float(norms.max())
        self.rate = RATE * float(norms.median()) / made.inputs.shape[1] ** 0.5
        self.adam = torch.optim.Adam([self.rows.inputs], lr=self.rate, betas=BETAS)
        self.alone: dict[Text, Tensor] = {}

    def inputs(self) -> Float[Tensor, "new d"]:
        """A copy of the input rows as they are, on the CPU."""
        return self.rows.inputs.detach().cpu().clone()

    def step(self, part: float) -> None:
        """One step of Adam at that part of the rate; no row gets longer than the table's longest."""
        chosen = torch.randint(len(self.texts), (ROWS,), generator=self.generator).tolist()
        texts = [self.texts[number] for number in chosen]
        inputs = self.rows.inputs
        inputs.grad = torch.zeros_like(inputs)
        self._backward(texts, batch_of(texts, self.tokens, self.begin, self.generator))
        inputs.grad *= self.moving
        self.adam.param_groups[0]["lr"] = self.rate * part
        self.adam.step()
        with torch.no_grad():
            lengths = inputs.norm(dim=1, keepdim=True).clamp_min(1e-12)
            inputs.mul_(torch.where(self.moving > 0, (self.longest / lengths).clamp(max=1), 1.0))

    def cost(self) -> Cost:
        """What the held-out texts cost more, with the tokens at places that are always the same."""
        sums = self._losses(self.held)
        turns = self._losses(self.held_turns).sum(0) if self.held_turns else None
        plain, more = float(sums[:, 1].sum()), sums[:, 0] - sums[:, 1]
        between = None if turns is None else float(turns[0] / turns[1]) - 1
        behind = float(more[1] / sums[1, 2].clamp_min(1))
        return Cost(float(more.sum()) / plain, float(more[0]) / plain, behind, between)

    @torch.no_grad()
    def _losses(self, held: Sequence[Text]) -> Float[Tensor, "2 3"]:
        """Elsewhere and right behind a token: the loss of the texts' own with the tokens, without, and how many."""
        generator = torch.Generator().manual_seed(1)
        sums = torch.zeros(2, 3, dtype=torch.float64)
        for start in range(0, len(held), ROWS):
            texts = held[start : start + ROWS]
            batch = batch_of(texts, self.tokens, self.begin, generator)
            hidden = self._hidden(batch)
            for chunk, student, teacher in self._logits(hidden, texts):
                target = batch.target[chunk].to(student.device)
                losses = [cross_entropy(logits, target, reduction="none") for logits in (student, teacher)]
                counted = torch.stack([*losses, torch.ones_like(losses[0])], 1).double().cpu()
                sums.index_add_(0, batch.behind[chunk].long(), counted)
        return sums

    def _hidden(self, batch: Batch) -> Float[Tensor, "predictions d"]:
        """The student's hidden states where it predicts the texts' own tokens."""
        device = self.rows.inputs.device
        return self.composed.hidden(batch.ids.to(device))[batch.row.to(device), batch.column.to(device)]

    @torch.no_grad()
    def _logits(
        self, hidden: Float[Tensor, "predictions d"], texts: Sequence[Text]
    ) -> Iterator[tuple[slice, Float[Tensor, "chunk size"], Float[Tensor, "chunk base"]]]:
        """A chunk of predictions at a time: logits with the tokens, of old and new ids, and without, of old ones."""
        composed, rows = self.composed, self.rows
        states = torch.cat([self._alone(text) for text in texts])
        for start in range(0, len(hidden), CHUNK):
            chunk = slice(start, start + CHUNK)
            head, bias = composed.base_head, composed.base_bias
            old = self.projection.logits(hidden[chunk].detach(), head, bias)
            new = self.projection.logits(hidden[chunk].detach().float(), rows.head.detach(), rows.bias)
            yield chunk, torch.cat([old, new], 1), self.projection.logits(states[chunk].to(hidden.device), head, bias)

    @torch.no_grad()
    def _alone(self, text: Text) -> Float[Tensor, "predictions d"]:
        """The teacher's hidden states of a text; it reads each one once."""
        if text not in self.alone:
            ids = torch.tensor([text.ids], device=self.rows.inputs.device)
            self.alone[text] = self.composed.hidden(ids)[0, :-1].cpu()
        return self.alone[text]

    def _backward(self, texts: Sequence[Text], batch: Batch) -> None:
        """Adds the gradient of the mean KL over old and new ids; the teacher gives the new ones nothing."""
        hidden, inputs, old = self._hidden(batch), self.rows.inputs, self.composed.base_size
        gradient = torch.zeros_like(hidden)
        for chunk, student, teacher in self._logits(hidden, texts):
            slope = student.softmax(1) / len(hidden)
            slope[:, :old] -= teacher.softmax(1) / len(hidden)
            if self.rows.tied:
                slope[:, old:] *= LOUDNESS
            slope = self.projection.raw_gradient(slope, student)
            head = self.composed.base_head
            gradient[chunk] = slope[:, :old].to(head.dtype) @ head
            gradient[chunk] += (slope[:, old:] @ self.rows.head.detach()).to(gradient.dtype)
            if self.rows.tied:
                assert inputs.grad is not None
                inputs.grad += slope[:, old:].T @ hidden[chunk].detach().float()
        hidden.backward(gradient)
