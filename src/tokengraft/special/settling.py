"""Settling: new control tokens that the model does not notice at first, so that a text costs what it did without them.

A token in the context is read by every token behind it, and no start makes that free. So the new input rows learn it:
the teacher is the model on a text without the tokens, the student the same model on the text with them, the loss is the
KL of what they predict for the text's own tokens (Hinton et al. 2015, eq. 2). Nothing but the new rows moves. One row
cannot do everything: right behind a token the model reads that token, not the one before it, and what came next by
that one it cannot know. Nor can it move text back to where it stood, in models that learned each position by itself.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tokengraft.errors import ModelError
from tokengraft.model import NewRows
from tokengraft.progress import bar
from tokengraft.special.hearing import Hearing
from tokengraft.special.packing import is_packed
from tokengraft.special.plan import Plan
from tokengraft.special.rows import Rows, quieted_again
from tokengraft.special.settling_task import Cost, Task
from tokengraft.special.settling_texts import Text, own_texts, settled_tokens, width_of

STEPS, EVERY, PATIENCE = 200, 10, 5
"""At most so many steps; a look at held-out texts every so many; an end after so many looks that were no better."""

ENOUGH = 0.01
"""Part of the loss: tokens that cost no more are settled."""

BETTER = 0.97
"""A look is better where the cost is no more than this part of the best one before."""


UNASKED = {"cpu": 20_000_000, "accelerator": 1_000_000_000}
"""Parameters of the largest model whose tokens are settled unasked: on a CPU half a minute for 4.5 million of them."""


def obstacle(model: Any, *, unasked: bool) -> str | None:
    """Why tokens of this model are not settled though nobody refused it; None where they are.

    Raises:
        ModelError: it was asked for, and no gradient goes through the model.
    """
    if is_packed(model):
        if unasked:
            return "not settled: bitsandbytes has packed this model, and no gradient goes through it"
        raise ModelError(
            found="settling, and a model in 4 bits that bitsandbytes has packed at a pass without gradients",
            expected="a model that gradients go through",
            do="load it anew and add the tokens first, or leave settling out",
        )
    count, most = model.num_parameters(), UNASKED["cpu" if model.device.type == "cpu" else "accelerator"]
    if not unasked or count <= most:
        return None
    return (
        f"not settled: with {count / 1e6:.0f} M parameters it takes minutes or more on this device; "
        f"`--settle own`, or a file of texts, does it"
    )


@dataclass(frozen=True, slots=True)
class Settled:
    """What settling did, on texts that the rows were not fitted on."""

    before: Cost
    after: Cost
    steps: int
    seconds: float
    texts: int
    length: float
    """Mean tokens of a text, without the new ones."""
    own: bool
    """Whether the model wrote the texts."""
    tokens: tuple[int, ...]
    """Ids of the tokens."""


def settled_rows(
    model: Any, plan: Plan, made: Rows, hearings: Sequence[Hearing], texts: Sequence[Text], *, share: float, seed: int
) -> tuple[Rows, Settled]:
    """The rows with those of control tokens settled on `texts`, or where there are none on the model's own.

    With tied tables an input row is a head row too: it is lowered again to its part of `share`.
    """
    tokens, first, begin = settled_tokens(plan), plan.base_size, plan.base.bos_id
    width = width_of(model, len(tokens))
    chosen = [text.cut(width) for text in texts] or own_texts(model, tokens, first, begin, plan.base.eos_id, seed)
    new, settled = settle(model, made.new, first, tokens, chosen, begin=begin, own=not texts, seed=seed)
    if new.tied:
        made = quieted_again(made, new, hearings, share)
        after = Task(model, made.new, first, tokens, chosen, begin, seed).cost()
        return made, replace(settled, after=after)
    return replace(made, new=new), settled


def settle(
    model: Any, made: NewRows, base_size: int, tokens: Sequence[int], texts: Sequence[Text], *,
    begin: int | None = None, own: bool = True, seed: int = 0,
) -> tuple[NewRows, Settled]:  # fmt: skip
    """The rows with those of `tokens` settled, and what came of it; the model is frozen, and stays as it is.

    Up to 16 texts of a kind, a quarter at most, are held out. The rows are the best that were seen there, which may be
    those it began with.
    """
    started = time.monotonic()
    task = Task(model, made, base_size, tokens, texts, begin, seed)
    first = best = task.cost()
    kept, stale, steps = task.inputs(), 0, 0
    with bar(STEPS, "settling", "step") as line:
        while steps < STEPS and stale < PATIENCE and best.worst > ENOUGH:
            task.step(1 - steps / STEPS)
            steps += 1
            line.update()
            if steps % EVERY == 0:
                now = task.cost()
                stale = 0 if now.together < BETTER * best.together else stale + 1
                if now.together < best.together:
                    best, kept = now, task.inputs()
    length = sum(len(text.ids) for text in texts) / len(texts)
    spent = time.monotonic() - started
    settled = Settled(first, best, steps, spent, len(texts), length, own, tuple(tokens))
    return NewRows(kept, made.head, made.bias, tied=made.tied), settled
