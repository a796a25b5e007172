"""Weighted sums of objectives, as the settings write them: `kl + 0.5*hidden-mse@3`, `hidden-mse + auto*ce`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.errors import ConfigError
from tokengraft.losses import (
    NEW,
    TEACHER,
    HeadChunk,
    HeadObjective,
    InputObjective,
    StateObjective,
    head_objectives,
    input_objectives,
    state_objectives,
)

AUTO = "auto"
TERM = re.compile(
    r"(?:(?P<weight>auto|\d+\.?\d*(?:e[+-]?\d+)?|\.\d+)\s*\*\s*)?(?P<name>[a-z][a-z-]*)(?:@(?P<layer>-?\d+))?"
)


@dataclass(frozen=True, slots=True)
class Term:
    """One objective of a sum. `weight` None: so that its loss is as large as the other terms' together (αNTP)."""

    name: str
    weight: float | None = 1.0
    layer: int | None = None

    def __str__(self) -> str:
        """As it is written, without its weight."""
        return self.name if self.layer is None else f"{self.name}@{self.layer}"


def parse_mixture(text: str, setting: str = "distill.objective") -> tuple[Term, ...]:
    """The terms of a sum.

    >>> [(str(term), term.weight) for term in parse_mixture("kl + 0.5*hidden-mse@3 + auto*ce")]
    [('kl', 1.0), ('hidden-mse@3', 0.5), ('ce', None)]

    Raises:
        ConfigError: the text is no such sum, all weights are 0 or automatic, or a term stands there twice.
    """
    terms = []
    for part in text.split("+"):
        found = TERM.fullmatch(part.strip())
        if found is None:
            raise _refusal(text, setting)
        weight = found["weight"]
        value = None if weight == AUTO else float(weight or 1)
        terms.append(Term(found["name"], value, None if found["layer"] is None else int(found["layer"])))
    if sum(term.weight is None for term in terms) > 1 or not any(term.weight for term in terms):
        raise _refusal(text, setting)
    if len({str(term) for term in terms}) < len(terms):
        raise _refusal(text, setting)
    return tuple(terms)


def _refusal(text: str, setting: str) -> ConfigError:
    return ConfigError(
        found=f"{setting} = {text!r}",
        expected="objectives joined by +, each once, each with a weight if it has one: kl + 0.5*hidden-mse@3 + auto*ce",
        do=f"change {setting}; at least one weight is a number above 0, and at most one is auto",
    )


@dataclass(frozen=True, slots=True)
class InputMixture:
    """Objectives of the input rows with their weights: first those of logits, then those of hidden states."""

    logits: tuple[tuple[Term, InputObjective], ...]
    states: tuple[tuple[Term, StateObjective], ...]

    @classmethod
    def of(cls, text: str, setting: str = "distill.objective") -> "InputMixture":
        """The sum that a setting describes.

        Raises:
            ConfigError: there is no such objective, or the text is no sum of them.
        """
        terms = parse_mixture(text, setting)
        states = [term for term in terms if term.name in state_objectives.names()]
        logits = [term for term in terms if term not in states]
        for term in logits:
            if term.layer is not None:
                raise ConfigError(
                    found=f"{setting} with {term}",
                    expected=f"a layer for objectives of hidden states alone: {', '.join(state_objectives.names())}",
                    do=f"write {term.name}",
                )
        return cls(
            tuple((term, input_objectives.get(term.name)) for term in logits),
            tuple((term, state_objectives.get(term.name)) for term in states),
        )

    @property
    def terms(self) -> tuple[Term, ...]:
        """All terms, in the order of their losses."""
        return tuple(term for term, _ in (*self.logits, *self.states))

    @property
    def layers(self) -> frozenset[int]:
        """Layers whose states are compared; −1: what the head reads."""
        return frozenset(-1 if term.layer is None else term.layer for term, _ in self.states)

    @property
    def logits_need_teacher(self) -> bool:
        """Whether an objective of logits compares with the teacher's."""
        return any(TEACHER in input_objectives.entry(term.name).needs for term, _ in self.logits)

    @property
    def logits_need_new(self) -> bool:
        """Whether an objective of logits looks at those of new tokens."""
        return any(NEW in input_objectives.entry(term.name).needs for term, _ in self.logits)

    @property
    def automatic(self) -> bool:
        """Whether a weight depends on the losses of the whole step."""
        return any(term.weight is None for term in self.terms)

    def combine(self, losses: Float[Tensor, " terms"]) -> Float[Tensor, ""]:
        """The weighted sum. An automatic weight is (sum of the others) / (this loss), taken as a constant.

        >>> mixture = InputMixture.of("2*kl + auto*ce")
        >>> mixture.combine(torch.tensor([3.0, 0.5])).item()  # 6 and as much again
        12.0
        """
        fixed = [loss * term.weight for loss, term in zip(losses, self.terms, strict=True) if term.weight is not None]
        total = torch.stack(fixed).sum()
        for loss, term in zip(losses, self.terms, strict=True):
            if term.weight is None:
                total = total + (total.detach() / loss.detach().clamp_min(1e-12)) * loss
        return total


REST = "none"
"""The head rests: its rows are left to the closing fit, or to the rows of the input table that they share."""


@dataclass(frozen=True, slots=True)
class HeadMixture:
    """Objectives of the head rows, their weights adding up to 1; none: the head rests."""

    parts: tuple[tuple[float, str, HeadObjective], ...]

    @classmethod
    def of(cls, text: str, setting: str = "distill.head_objective") -> "HeadMixture":
        """The sum that a setting describes; `0.25*ce + 0.75*chain-rule` and `ce + 3*chain-rule` are the same.

        `none` is no objective: the head rests.

        Raises:
            ConfigError: there is no such objective, or the text is no sum of them.
        """
        if text.strip() == REST:
            return cls(())
        terms = parse_mixture(text, setting)
        if any(term.weight is None or term.layer is not None for term in terms):
            raise _refusal(text, setting)
        total = sum(term.weight or 0.0 for term in terms)
        return cls(tuple(((term.weight or 0.0) / total, term.name, head_objectives.get(term.name)) for term in terms))

    @property
    def rests(self) -> bool:
        """Whether the head learns nothing in the steps."""
        return not self.parts

    @property
    def label(self) -> str:
        """What its loss is called: that of cross-entropy alone keeps its name."""
        return "cross_entropy" if not self.soft_share else "head"

    @property
    def soft_share(self) -> float:
        """Share of the objectives whose targets are the teacher's."""
        return sum(weight for weight, name, _ in self.parts if TEACHER in head_objectives.entry(name).needs)

    def __call__(self, chunk: HeadChunk) -> tuple[Float[Tensor, " positions"], Float[Tensor, "positions new"]]:
        """The weighted sum of the losses, and of their gradients."""
        if len(self.parts) == 1:
            return self.parts[0][2](chunk)
        new, results = chunk.new, []
        for weight, _, objective in self.parts:
            chunk.new = new.clone()
            loss, gradient = objective(chunk)
            results.append((loss * weight, gradient.mul_(weight)))
        return _sum([loss for loss, _ in results]), _sum([gradient for _, gradient in results])


def _sum(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(parts)).sum(0)
