"""Finds the first NaN or Inf of a training: which tensor, which rows, which tokens, which batch; and stops."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from transformers.trainer_callback import TrainerCallback

from tokengraft.diagnosis.nonfinite import NonFinite, Trace, first_nonfinite_output, refuse

Ids = Tensor | None


class Watch(TrainerCallback):
    """Stops a training at its first NaN or Inf, and says where it is.

    A callback for transformers' Trainer (`Trainer(..., callbacks=[tg.Watch(tokenizer=tokenizer)])`), or a context
    around a plain loop. Each step it looks at the loss, at the gradients before the optimiser uses them, and at the
    parameters after it did; only when one of them is not finite does it look closer. A gradient scaler's skipped steps
    do not count: with them the optimiser does not step.

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Embedding(9, 4), torch.nn.Linear(4, 1))
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=float("inf"))
    >>> with Watch(model, optimizer=optimizer):
    ...     model(torch.tensor([[1, 2]])).sum().backward()
    ...     optimizer.step()
    Traceback (most recent call last):
    tokengraft.diagnosis.nonfinite.NonFinite: found: 9 of 9 rows of 0.weight are NaN or Inf after step 1: rows 0, ...

    Raises:
        NonFinite: at the first NaN or Inf; its `trace` holds name, rows, tokens, positions, step and batch.
    """

    def __init__(
        self, model: nn.Module | None = None, tokenizer: Any = None, *,
        optimizer: Optimizer | Iterable[Optimizer] | None = None, every: int = 1,
    ) -> None:  # fmt: skip
        self.tokenizer, self.every = tokenizer, every
        self._model, self._optimizers = model, _several(optimizer)
        self._handles: list[Any] = []
        self._names: dict[int, str] = {}
        self._batch: Mapping[str, Any] = {}
        self._looking = False
        self.step = self.batch = 0
        """Steps of the optimiser and forward passes so far."""

    def __enter__(self) -> "Watch":
        """Begins to watch."""
        assert self._model is not None, "Watch(model, ...) around a loop needs the model"
        self.start(self._model, self._optimizers)
        return self

    def __exit__(self, *_: object) -> None:
        """Takes the hooks off again."""
        self.stop()

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """The Trainer's call before the first step."""
        del args, control
        self.tokenizer = self.tokenizer or given.get("processing_class")
        wrapped = given["optimizer"]
        self.start(given["model"], [getattr(wrapped, "optimizer", wrapped)], step=state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """The Trainer's call after the last step."""
        del args, state, control, given
        self.stop()

    def start(self, model: nn.Module, optimizers: Sequence[Optimizer], *, step: int = 0) -> None:
        """Puts the hooks on.

        Raises:
            NonFinite: a parameter is not finite before the first step.
        """
        self.stop()
        self._model, self.step, self.batch = model, step, 0
        self._names = {id(parameter): name for name, parameter in model.named_parameters()}
        self._check(list(model.parameters()), "parameter", "before the first step")
        self._handles = [
            model.register_forward_pre_hook(self._remember, with_kwargs=True),
            model.register_forward_hook(self._look_at_output),
        ]
        for optimizer in optimizers:
            self._handles += [
                optimizer.register_step_pre_hook(self._look_at_gradients),
                optimizer.register_step_post_hook(self._look_at_parameters),
            ]

    def stop(self) -> None:
        """Takes the hooks off."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _remember(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        del module
        if not self._looking:
            self._batch = {**kwargs, **({"input_ids": args[0]} if args else {})}
            self.batch += module_is_training(self._model)

    def _look_at_output(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if self._looking or not module.training:
            return
        loss = getattr(output, "loss", None)
        if loss is None or bool(loss.isfinite().all()):
            return
        self._looking = True
        try:
            trace = first_nonfinite_output(module, args, self._kwargs(args), self._ids())
        finally:
            self._looking = False
        if trace is None:
            trace = Trace("loss", "loss", detail=_why_loss(self._batch.get("labels")))
        self._stop_at(trace, f"in the forward pass of step {self.step + 1}")

    def _kwargs(self, args: tuple[Any, ...]) -> dict[str, Any]:
        return {name: value for name, value in self._batch.items() if not (args and name == "input_ids")}

    def _look_at_gradients(self, optimizer: Optimizer, *_: Any) -> None:
        if self._due():
            self._check(_parameters(optimizer), "gradient", f"of step {self.step + 1}")

    def _look_at_parameters(self, optimizer: Optimizer, *_: Any) -> None:
        self.step += 1
        if self.step % self.every == 0:
            self._check(_parameters(optimizer), "parameter", f"after step {self.step}")

    def _due(self) -> bool:
        return (self.step + 1) % self.every == 0

    def _check(self, parameters: Sequence[nn.Parameter], where: str, when: str) -> None:
        held = parameters if where == "parameter" else [p for p in parameters if p.grad is not None]
        tensors = [p.detach() if where == "parameter" else p.grad for p in held]
        for parameter, tensor in zip(held, tensors, strict=True) if not _all_finite(tensors) else ():
            assert tensor is not None
            wrong = ~tensor.isfinite()
            if bool(wrong.any()):
                self._stop_at(self._trace(where, parameter, wrong), when)

    def _trace(self, where: str, parameter: nn.Parameter, wrong: Tensor) -> Trace:
        name = self._names.get(id(parameter), "a parameter without a name")
        rows = wrong.flatten(1).any(1).nonzero()[:, 0].tolist() if wrong.dim() > 1 else []
        return Trace(where, name, rows=rows, of=len(wrong) if wrong.dim() else 1, is_table=self._is_table(parameter))

    def _is_table(self, parameter: nn.Parameter) -> bool:
        """Whether its rows belong to tokens."""
        model: Any = self._model
        tables = [module.weight for module in model.modules() if isinstance(module, nn.Embedding)]
        head = getattr(model, "get_output_embeddings", lambda: None)()
        # Positions have an embedding too, with as many rows as there are positions.
        largest = max((len(table) for table in tables), default=0)
        return any(parameter is t and len(t) == largest for t in tables) or (
            head is not None and parameter is getattr(head, "weight", None)
        )

    def _stop_at(self, trace: Trace, when: str) -> None:
        self.stop()
        refuse(trace, when, self.batch, self._ids(), self.tokenizer)

    def _ids(self) -> Ids:
        ids = self._batch.get("input_ids")
        return ids if isinstance(ids, Tensor) and not ids.is_floating_point() else None


def module_is_training(module: nn.Module | None) -> int:
    """1 while a module trains: batches of an evaluation are not counted."""
    return int(module is not None and module.training)


def _several(optimizer: Optimizer | Iterable[Optimizer] | None) -> list[Optimizer]:
    return [] if optimizer is None else [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer)


def _parameters(optimizer: Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _all_finite(tensors: Sequence[Tensor | None]) -> bool:
    """Whether all are, by the norm of each: one pass, and one wait for the device. A norm that overflows only costs a
    closer look.
    """
    held = [tensor for tensor in tensors if tensor is not None and tensor.is_floating_point() and tensor.numel()]
    if not held:
        return True
    norms = torch._foreach_norm(held)
    return bool(torch.stack([norm.float().to(norms[0].device) for norm in norms]).isfinite().all())


def _why_loss(labels: Any) -> str:
    if isinstance(labels, Tensor) and not bool((labels[..., 1:] != -100).any()):
        return "every label of the batch is −100, and the mean over nothing is 0/0"
    return "every activation is finite, so it comes about in the loss itself"


__all__ = ["NonFinite", "Trace", "Watch"]
