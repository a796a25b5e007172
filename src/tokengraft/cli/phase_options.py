"""Flags of `train` as the settings of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokengraft.config import RunConfig, as_mappings, merged, read_settings
from tokengraft.errors import ConfigError
from tokengraft.recipes import read_recipe

OUT = "tokengraft-training"


def train_settings(
    config: Path | None, flags: Mapping[str, Any], phases: Sequence[str], steps: int | None, recipe: str | None = None
) -> RunConfig:
    """The settings of a training: the recipe's, the file's over them, then the flags; `phase.…` over each phase.

    Raises:
        ConfigError: no phase is named, or a setting cannot be.
    """
    own = dict(flags)
    laid = as_mappings(read_recipe(recipe)) if recipe else {}
    of_phases = {**(own.pop("phase", None) or {}), **({} if steps is None else {"steps": steps})}
    settings = merged({"out": OUT, **merged(laid, as_mappings(read_settings(config)) if config else {})}, own)
    listed = [{"phase": name} for name in phases] or settings.get("phases")
    if not listed:
        raise ConfigError(found="no phase", expected="one at least", do="name it with --phase, or take a --recipe")
    settings["phases"] = [{**phase, **_for(phase, of_phases)} for phase in listed]
    settings["model"] = _model_in(settings.get("model"))
    return RunConfig.from_dict({name: value for name, value in settings.items() if value is not None})


def with_steps(settings: Mapping[str, Any], steps: int | None) -> dict[str, Any]:
    """The settings with another number of steps in each later phase.

    >>> with_steps({"phases": [{"phase": "rows"}, {"phase": "full", "epochs": 4}]}, 2)["phases"]
    [{'phase': 'rows'}, {'phase': 'full', 'steps': 2}]
    """
    settings = as_mappings(settings)
    if steps is not None:
        changed = {"steps": steps, "epochs": None}
        phases = [{**phase, **_for(phase, changed)} for phase in settings.get("phases", ())]
        settings["phases"] = [{name: v for name, v in phase.items() if v is not None} for phase in phases]
    return settings


def _for(phase: Mapping[str, Any], changes: Mapping[str, Any]) -> Mapping[str, Any]:
    """The rows take their settings from `distill`."""
    return {} if phase["phase"] == "rows" else changes


def _model_in(model: Any) -> Any:
    """`model/` of a run's folder; anything else as it is."""
    if isinstance(model, str) and (Path(model) / "run.json").is_file() and (Path(model) / "model").is_dir():
        return str(Path(model) / "model")
    return model
