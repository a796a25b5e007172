"""Settings of a study: those of a run, and the variants laid over them.

>>> run, study = study_settings({"model": "m", "corpus": "c", "study": {"variants": {"a": {}, "b": {"seed": 3}}}})
Traceback (most recent call last):
tokengraft.errors.ConfigError: found: study.variants.b sets seed
expected: settings of init, distill, seeds, or trained: false
do: remove it: what all variants share is set once, above
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tokengraft.config import RunConfig, as_mappings, build, merged
from tokengraft.errors import ConfigError
from tokengraft.init import check_methods
from tokengraft.phases.row_settings import check_objectives

FREE = ("init", "distill", "trained", "seeds")
"""What a variant may set: everything else is shared."""


@dataclass(frozen=True, slots=True)
class StudyConfig:
    """The grid, and what is measured besides the scorecard."""

    variants: dict  # type: ignore[type-arg]
    """By name: settings of `init` and `distill` that come over the run's; `trained: false` stops after initialising,
    `seeds: [0]` is for what no seed changes."""
    seeds: tuple[int, ...] = (0, 1, 2)
    reference: str = ""
    """The variant that others are compared with, pair by pair; empty: the first."""
    seconds: float | None = None
    """CPU seconds of training that every variant gets in place of equal steps; how many fit is tried first."""
    watch_every: int = 15
    """Steps between two looks at the held-out KL, for the steps and seconds to a given KL."""
    judges: int = 24
    """Held-out windows that it is taken on."""
    kl_target: float | None = None
    """The KL that steps and seconds are counted to; None: what the variant `target` comes to in the end."""
    target: str = ""
    """Empty: the reference."""
    choice: bool = True
    """Score on the half of the general text by which settings are chosen as well, not only on the reported one."""
    table: tuple[str, ...] = field(default_factory=tuple)
    """Columns of the table by name; empty: all."""


def study_settings(settings: Mapping[str, Any]) -> tuple[RunConfig, StudyConfig]:
    """(settings of the run, of the study), every variant checked before any work.

    Raises:
        ConfigError: a setting or a method is unknown, there are no variants, or one sets what all share.
    """
    values = dict(settings)
    study = build(StudyConfig, values.pop("study", {}), "study.")
    config = RunConfig.from_dict(values)
    if not study.variants or not study.seeds:
        raise ConfigError(
            found="a study without variants or without seeds",
            expected="study.variants: a name and its settings for each",
            do="add some, for instance `ours: {}`",
        )
    for name in study.variants:
        chosen = variant_of(values, study, name)
        seeds_of(study, name)
        check_methods(chosen.init)
        check_objectives(chosen.distill)
    for setting in ("reference", "target"):
        named = getattr(study, setting)
        if named and named not in study.variants:
            raise ConfigError(
                found=f"study.{setting} = {named}",
                expected=f"one of {', '.join(study.variants)}",
                do=f"change study.{setting}",
            )
    return config, study


def seeds_of(study: StudyConfig, name: str) -> tuple[int, ...]:
    """The seeds that a variant is run with.

    Raises:
        ConfigError: they are not whole numbers.
    """
    own = (study.variants[name] or {}).get("seeds")
    if own is None:
        return study.seeds
    if not isinstance(own, list | tuple) or not own or not all(type(seed) is int for seed in own):
        raise ConfigError(
            found=f"study.variants.{name}.seeds = {own!r}", expected="a list of whole numbers", do="change it"
        )
    return tuple(own)


def variant_of(settings: Mapping[str, Any], study: StudyConfig, name: str) -> RunConfig:
    """The run's settings with those of one variant over them.

    Raises:
        ConfigError: the variant sets something that all share, or something unknown.
    """
    changes = dict(study.variants[name] or {})
    for key in changes:
        if key not in FREE:
            raise ConfigError(
                found=f"study.variants.{name} sets {key}",
                expected="settings of init, distill, seeds, or trained: false",
                do="remove it: what all variants share is set once, above",
            )
    for key in ("trained", "seeds"):
        changes.pop(key, None)
    return RunConfig.from_dict(merged(as_mappings({k: v for k, v in settings.items() if k != "study"}), changes))
