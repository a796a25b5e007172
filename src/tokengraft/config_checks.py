"""What the value of a setting may be, beside its type: one rule a line.

>>> from dataclasses import make_dataclass
>>> check_ranges(make_dataclass("Tokens", ["size"])(0), "tokens.")
Traceback (most recent call last):
tokengraft.errors.ConfigError: found: tokens.size = 0
expected: a value above 0
do: change tokens.size
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tokengraft.errors import ConfigError

SHORTEST_WINDOW = 16
"""Tokens of a window below which there is next to nothing to compare."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Whether a value can be, and how a message says what can."""

    holds: Callable[[Any], bool]
    expected: str


ABOVE_0 = Rule(lambda value: value > 0, "a value above 0")
FROM_0 = Rule(lambda value: value >= 0, "0 or more")
FROM_1 = Rule(lambda value: value >= 1, "1 or more")
SHARE = Rule(lambda value: 0 <= value <= 1, "a share from 0 to 1")

RULES = {
    "control": Rule(lambda value: value == "base", "base, or nothing"),
    "seed": FROM_0,
    "threads": FROM_1,
    "corpus.max_documents": FROM_1,
    "general.max_documents": FROM_1,
    "replay.max_documents": FROM_1,
    "shares.tokens": ABOVE_0,
    "shares.training": ABOVE_0,
    "shares.heldout": ABOVE_0,
    "tokens.size": ABOVE_0,
    "tokens.min_count": FROM_1,
    "tokens.max_per_document": ABOVE_0,
    "init.neighbours": FROM_1,
    "init.probe_steps": FROM_1,
    "tokens.min_exposure": FROM_0,
    "tokens.gain": ABOVE_0,
    "tokens.guard_share": SHARE,
    "tokens.reference.max_documents": FROM_1,
    "distill.steps": FROM_0,
    "distill.epochs": ABOVE_0,
    "distill.cycles": Rule(lambda value: value and all(length > 0 for length in value), "lengths above 0"),
    "distill.tokens_per_step": ABOVE_0,
    "distill.replay_share": Rule(lambda value: 0 <= value < 1, "from 0 to below 1"),
    "distill.max_length": Rule(lambda value: value >= SHORTEST_WINDOW, f"{SHORTEST_WINDOW} or more"),
    "distill.first_share": SHARE,
    "distill.position_decay": ABOVE_0,
    "distill.snippet": Rule(lambda value: value >= SHORTEST_WINDOW, f"{SHORTEST_WINDOW} or more"),
    "distill.snippets_per_token": FROM_1,
    "distill.windows": Rule(lambda value: value in {"auto", "documents", "around"}, "auto, documents or around"),
    "distill.window_before": FROM_0,
    "distill.window_after": FROM_1,
    "distill.window_minimum": FROM_0,
    "distill.teacher_cache": Rule(
        lambda value: value in {"auto", "states", "top-k", "none"}, "auto, states, top-k or none"
    ),
    "distill.teacher_cache_gib": ABOVE_0,
    "distill.teacher_top": FROM_1,
    "distill.compute_dtype": Rule(lambda value: value in {"model", "bfloat16"}, "model or bfloat16"),
    "distill.memory_gib": ABOVE_0,
    "distill.generated": FROM_0,
    "distill.temperature": ABOVE_0,
    "distill.rate_inputs": ABOVE_0,
    "distill.rate_head": ABOVE_0,
    "distill.piece_share": FROM_0,
    "distill.betas": Rule(
        lambda value: len(value) == 2 and all(0 <= beta < 1 for beta in value), "two shares from 0 to below 1"
    ),
    "distill.warmup": SHARE,
    "distill.decay": SHARE,
    "distill.refit_positions": FROM_0,
    "distill.refit_iterations": FROM_0,
    "distill.chunk": ABOVE_0,
    "distill.checkpoint_every": ABOVE_0,
    "evaluation.window_bytes": ABOVE_0,
    "evaluation.max_bytes": ABOVE_0,
    "evaluation.fertility_bytes": ABOVE_0,
    "evaluation.prompts": FROM_0,
    "evaluation.prompt_tokens": FROM_0,
    "evaluation.samples": FROM_0,
}
"""By the dotted name of a run's setting; None, where a setting may be None, is never asked about."""


def check_ranges(settings: Any, where: str = "", rules: Mapping[str, Rule] = RULES) -> None:
    """Returns where each value of a dataclass of settings can be, those of nested dataclasses included.

    `where` is the dotted name of the dataclass itself: `distill.` for a `DistillConfig` alone. `rules` are those of a
    run unless others are given.

    Raises:
        ConfigError: the first value that cannot.
    """
    for entry in dataclasses.fields(settings):
        name, value = f"{where}{entry.name}", getattr(settings, entry.name)
        if dataclasses.is_dataclass(value):
            check_ranges(value, f"{name}.", rules)
        elif value is not None:
            _check(name, value, rules.get(name))
    if where == "shares.":
        _check_sum(settings)


def _check(name: str, value: Any, rule: Rule | None) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(found=f"{name} = {value}", expected="a finite number", do=f"change {name}")
    if rule is not None and not rule.holds(value):
        raise ConfigError(found=f"{name} = {value}", expected=rule.expected, do=f"change {name}")


def _check_sum(shares: Any) -> None:
    total = shares.tokens + shares.training + shares.heldout
    if abs(total - 1) > 1e-6:
        raise ConfigError(found=f"shares that add up to {total:g}", expected="1", do="change shares")
