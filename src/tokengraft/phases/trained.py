"""Weights that learn: some of a model's own, or new rows beside frozen tables. The optimiser sees float32."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import AdamW, Optimizer

from tokengraft.config_phases import PhaseConfig
from tokengraft.model.projection import Projection
from tokengraft.model.rows import Composed, NewRows, frozen
from tokengraft.model.tables import find_tables

LOW = (torch.bfloat16, torch.float16)


class Trained(nn.Module, ABC):
    """A model of which some weights learn. The module's parameters are what the optimiser moves."""

    def __init__(self, model: Any, size: int, projection: Projection) -> None:
        super().__init__()
        # Not a submodule: its weights are no parameters of ours.
        object.__setattr__(self, "model", model)
        self.size = size
        self.projection = projection

    model: Any
    merge_error: float | None = None
    """Set where what was learned was folded into the model: see `merging.fold`."""

    def hidden(self, ids: Int[Tensor, "rows width"]) -> Float[Tensor, "rows width d"]:
        """Final hidden states of rows padded on the right, no mask passed: attention is causal."""
        return self.model.base_model(input_ids=ids, use_cache=False).last_hidden_state

    def raw_logits(self, states: Float[Tensor, "positions d"]) -> Float[Tensor, "positions size"]:
        """Product with the head, before scale and cap."""
        return self.model.get_output_embeddings()(states)[:, : self.size]

    def logits(self, states: Float[Tensor, "positions d"]) -> Float[Tensor, "positions size"]:
        """Logits in float32 over the ids that exist."""
        raw = self.raw_logits(states).float() * self.projection.scale
        cap = self.projection.cap
        return raw if cap is None else cap * torch.tanh(raw / cap)

    def optimizer(self, settings: PhaseConfig) -> Optimizer:
        """AdamW over what learns: tables at their own rate and never decayed, so rows without a gradient stay."""
        tables = settings.rate if settings.rate_tables is None else settings.rate_tables
        kinds: dict[tuple[float, float], list[Tensor]] = {}
        for name, parameter in self.named_parameters():
            is_table = self.is_table(name)
            decay = 0.0 if is_table or parameter.ndim < 2 else settings.weight_decay
            kinds.setdefault((tables if is_table else settings.rate, decay), []).append(parameter)
        return AdamW([{"params": p, "lr": rate, "weight_decay": decay} for (rate, decay), p in kinds.items()])

    @abstractmethod
    def is_table(self, name: str) -> bool:
        """Whether a parameter is a table, or rows of one."""

    def pull(self) -> None:
        """Moves gradients from the model's weights to what the optimiser moves."""

    def push(self) -> None:
        """Puts what was learned into the model."""


class TrainedRows(Trained):
    """New rows of both tables; every other number is frozen, the old rows by not being parameters at all."""

    def __init__(self, model: Any, base_size: int, size: int, projection: Projection) -> None:
        super().__init__(model, size, projection)
        self.rows = NewRows.read(model, base_size, size)
        object.__setattr__(self, "composed", Composed(model, self.rows, base_size))

    composed: Composed

    def hidden(self, ids: Int[Tensor, "rows width"]) -> Float[Tensor, "rows width d"]:  # noqa: D102
        return self.composed.hidden(ids)

    def raw_logits(self, states: Float[Tensor, "positions d"]) -> Float[Tensor, "positions size"]:  # noqa: D102
        head = self.composed.base_head
        states = states.to(head.dtype)
        old = F.linear(states, head, self.composed.base_bias)
        bias = None if self.rows.bias is None else self.rows.bias.to(states.dtype)
        return torch.cat([old, F.linear(states, self.rows.head.to(states.dtype), bias)], dim=1)

    def is_table(self, name: str) -> bool:  # noqa: D102
        del name
        return True

    def push(self) -> None:  # noqa: D102
        self.rows.write(self.model, self.composed.base_size)


class TrainedWeights(Trained):
    """Some of the model's own weights. Those in 16 bits learn in a float32 copy, and so do tables in any case."""

    def __init__(
        self, model: Any, size: int, projection: Projection, weights: Mapping[str, nn.Parameter], tables: Sequence[str],
        *, masters: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(model, size, projection)
        self._tables = {_key(name) for name in tables}
        self.learned = nn.ParameterDict()
        self._copies: list[tuple[nn.Parameter, nn.Parameter]] = []
        for name, weight in weights.items():
            weight.requires_grad_(True)
            key, own = _key(name), weight
            if weight.dtype in LOW and (masters or key in self._tables):
                own = nn.Parameter(weight.detach().float())
                self._copies.append((own, weight))
            self.learned[key] = own

    def is_table(self, name: str) -> bool:  # noqa: D102
        return name.removeprefix("learned.") in self._tables

    @torch.no_grad()
    def pull(self) -> None:  # noqa: D102
        for own, weight in self._copies:
            if weight.grad is not None:
                gradient = weight.grad.float()
                own.grad = gradient if own.grad is None else own.grad.add_(gradient)
                weight.grad = None

    @torch.no_grad()
    def push(self) -> None:  # noqa: D102
        for own, weight in self._copies:
            weight.copy_(own)


def _key(name: str) -> str:
    """A parameter's name as torch takes it inside a dictionary."""
    return name.replace(".", "/")


def table_names(model: Any) -> list[str]:
    """Names of the tables' parameters, the head's bias among them; one table where they are tied."""
    tables = find_tables(model)
    members = {id(part) for part in (tables.input_weight, tables.head_weight, tables.head_bias) if part is not None}
    return [name for name, parameter in model.named_parameters() if id(parameter) in members]


@contextmanager
def learning(
    model: Any, size: int, projection: Projection, names: Sequence[str], settings: PhaseConfig,
    tables: Sequence[str] | None = None,
) -> Iterator[Trained]:  # fmt: skip
    """The named weights of a model, learning while the block runs; everything else is frozen.

    `tables` are the names of those that are tables or rows of them; None: the model's own.
    """
    tables = table_names(model) if tables is None else tables
    weights = {name: parameter for name, parameter in model.named_parameters() if name in set(names)}
    with frozen(model), _checkpointing(model, wanted=settings.gradient_checkpointing):
        model.train()
        trained = TrainedWeights(
            model, size, projection, weights, tables, masters=settings.master_weights
        )  # fmt: skip
        try:
            yield trained
            trained.push()
        finally:
            for weight in weights.values():
                weight.requires_grad_(False)
                weight.grad = None


@contextmanager
def learning_rows(
    model: Any, base_size: int, size: int, projection: Projection, settings: PhaseConfig
) -> Iterator[Trained]:
    """The new rows, learning while the block runs; everything else is frozen."""
    with frozen(model), _checkpointing(model, wanted=settings.gradient_checkpointing):
        if settings.gradient_checkpointing:
            model.train()
        trained = TrainedRows(model, base_size, size, projection)
        yield trained
        trained.push()


@contextmanager
def _checkpointing(model: Any, *, wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    # transformers has renamed these; 4.57 knows the old names alone.
    new = hasattr(model, "activation_checkpointing_enable")
    enable, disable, name = (
        (model.activation_checkpointing_enable, model.activation_checkpointing_disable, "activation")
        if new
        else (model.gradient_checkpointing_enable, model.gradient_checkpointing_disable, "gradient")
    )
    enable(**{f"{name}_checkpointing_kwargs": {"use_reentrant": False}})
    try:
        yield
    finally:
        disable()
