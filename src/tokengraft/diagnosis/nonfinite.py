"""Where the first NaN or Inf is, and what to say about it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from tokengraft.diagnosis.finding import KEPT, listed
from tokengraft.errors import TokengraftError


@dataclass(slots=True)
class Trace:
    """The place of the first NaN or Inf."""

    where: str
    """`activation`, `loss`, `gradient` or `parameter`."""
    name: str
    """Of the module or parameter."""
    rows: list[int] = field(default_factory=list)
    """Of a parameter: rows that are not finite."""
    of: int = 0
    """Rows that it has."""
    is_table: bool = False
    """Whether its rows belong to tokens."""
    positions: list[tuple[int, int]] = field(default_factory=list)
    """Of an activation: (sequence, position) in the batch."""
    tokens: list[str] = field(default_factory=list)
    """Tokens of the rows, or at the positions."""
    batch: int = 0
    """Number of the forward pass, from 1."""
    ids: list[list[int]] = field(default_factory=list)
    """The batch itself."""
    detail: str = ""
    """What else is known."""


class NonFinite(TokengraftError):  # noqa: N818 (read as `except tg.NonFinite`)
    """A training that met NaN or Inf; `trace` says where."""

    trace: Trace | None = None


def refuse(trace: Trace, when: str, batch: int, ids: Tensor | None, tokenizer: Any) -> NoReturn:
    """Stops with everything that is known.

    Raises:
        NonFinite: always.
    """
    trace.batch = batch
    trace.ids = ids.tolist() if ids is not None and ids.dim() == 2 else []
    numbers = trace.rows if trace.is_table else [trace.ids[s][p] for s, p in trace.positions if trace.ids]
    trace.tokens = [_token(tokenizer, number) for number in numbers[:KEPT]]
    error = NonFinite(found=_sentence(trace, when), expected="finite numbers", do=_advice(trace))
    error.trace = trace
    raise error


def _sentence(trace: Trace, when: str) -> str:
    rows = f"{len(trace.rows)} of {trace.of} rows of " if trace.rows else ""
    what = {"gradient": f"the gradient of {trace.name}"}.get(trace.where, trace.name)
    text = f"{rows}{what} {'are' if rows else 'is'} NaN or Inf {when}"
    if trace.rows:
        text += f": rows {listed(trace.rows)}"
    if trace.positions:
        text += f": (sequence, position) {listed(trace.positions, 4)}"
    if trace.tokens:
        text += f"; tokens {listed([repr(token) for token in trace.tokens])}"
    seen = {number for row in trace.ids for number in row}
    if trace.is_table and trace.ids:
        text += f"; {sum(row in seen for row in trace.rows)} of these tokens are in the batch"
    if trace.batch:
        text += f"; batch {trace.batch}"
    return text + (f"; {trace.detail}" if trace.detail else "")


def _advice(trace: Trace) -> str:
    if trace.where == "parameter" and not trace.batch:
        return (
            "the model came so, no step did it: give these rows new values (tokengraft doctor MODEL: rows-not-finite)"
        )
    if trace.where == "parameter" and len(trace.rows) > 1 and trace.is_table:
        return "check the optimiser's eps and the parameters' dtype (tokengraft doctor --train-config: fp16-adam-eps)"
    if trace.where == "loss":
        return "check the labels of this batch (tokengraft doctor --data: labels-all-ignored)"
    if trace.where == "activation":
        return "look at this batch, and at the rows of these tokens (tokengraft doctor MODEL: rows-not-finite)"
    return "lower the learning rate, clip gradients, or keep parameters in float32; run tokengraft doctor MODEL"


@torch.no_grad()
def first_nonfinite_output(
    model: nn.Module, args: Sequence[Any], kwargs: dict[str, Any], ids: Tensor | None
) -> Trace | None:
    """The first module, in the order of the computation, whose output is not finite, when the batch is read again."""
    found: list[Trace] = []

    def look(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            del inputs
            tensor = output[0] if isinstance(output, tuple) and output else output
            if not found and isinstance(tensor, Tensor) and tensor.is_floating_point():
                wrong = ~tensor.isfinite()
                if bool(wrong.any()):
                    found.append(Trace("activation", name, positions=_positions(wrong, ids), detail=_weight(module)))

        return hook

    # Leaves alone: a layer's output comes after that of everything in it.
    leaves = [(name, module) for name, module in model.named_modules() if name and not any(module.children())]
    handles = [module.register_forward_hook(look(name)) for name, module in leaves]
    try:
        model(*args, **kwargs)
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else None


def _positions(wrong: Tensor, ids: Tensor | None) -> list[tuple[int, int]]:
    """Sequence and position, where the first two axes are those of the batch."""
    if ids is None or wrong.shape[:2] != ids.shape:
        return []
    places = wrong.flatten(2).any(2).nonzero()[:KEPT].tolist()
    return [(sequence, position) for sequence, position in places]


def _weight(module: nn.Module) -> str:
    broken = [name for name, parameter in module.named_parameters() if not bool(parameter.isfinite().all())]
    return f"its {', '.join(broken)} is not finite" if broken else "its own weights are finite"


def _token(tokenizer: Any, number: int) -> str:
    name = getattr(tokenizer, "convert_ids_to_tokens", None) or getattr(tokenizer, "id_to_token", None)
    try:
        return str(name(number)) if name else f"id {number}"
    except (IndexError, KeyError, OverflowError):
        return f"id {number}"
