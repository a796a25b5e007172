"""Phases on a model that is there already: `tokengraft train`, without choosing tokens or growing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokengraft import atomic
from tokengraft.artifacts import RunFolder
from tokengraft.config import RunConfig, check_ranges
from tokengraft.config_phases import check_phases, phases_of
from tokengraft.corpus import check_readable, require_parts
from tokengraft.errors import ConfigError
from tokengraft.model.checks import check_fit, check_model, read_config
from tokengraft.model.load import load_model, pick_device, pick_dtype
from tokengraft.phases.checks import check_later_phases, check_phases_fit
from tokengraft.stages.graft import load_base
from tokengraft.stages.inputs import check_space, gather_texts
from tokengraft.stages.output import in_order, phase_facts, write_model
from tokengraft.stages.phases import learn_all, learn_control
from tokengraft.stages.places import check_places
from tokengraft.stages.scores import LazyScorer, score
from tokengraft.tokenizer import Ceiling, ExtendedTokenizer, TokenizerFile
from tokengraft.tokenizer.extended import RECORD
from tokengraft.training import processes

BEFORE = "before"
"""What the model is called as it came."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training: its folder and its figures."""

    path: Path
    metrics: Mapping[str, Any]


def train_folder(config: RunConfig, base: str | None = None) -> Trained:
    """Takes the extended model of `config` through its phases; a stopped training in the same folder goes on.

    `base` is the model that was extended. None: what the run says that `model` came out of; for a model without new
    tokens, the model itself.

    Raises:
        TokengraftError: something about the model, the corpus or the folder must be put right first.
    """
    base = base or _base_of(config.model)
    extension = _check(config, base)
    processes.begin(config.device)
    settings = {**config.to_dict(), "base": base}
    with processes.own_folder(Path(config.out)) as place, RunFolder.open(place, settings) as run:
        texts = gather_texts(config, run)
        model = load_base(config, run)
        reader = model if base == config.model else load_model(base, dtype=config.dtype, device=config.device)
        scorer = LazyScorer(config, reader, extension, texts)
        scores = {"base": score(config, run, scorer, "base", reader, texts)}
        if reader is not model:
            scores[BEFORE] = score(config, run, scorer, BEFORE, model, texts)
        scores |= learn_all(config, run, model, extension, texts, scorer, base=base)
        write_model(config, run, model, extension)
        del model
        scores |= learn_control(config, run, extension, texts, scorer, base=base)
        return Trained(run.path, _write_metrics(config, run, base, scores))


def _check(config: RunConfig, base: str) -> ExtendedTokenizer:
    """The extension, once everything that can be known beforehand is what it should be."""
    check_ranges(config)
    check_phases(config.phases)
    check_later_phases(phases_of(config))
    check_places(config)
    pick_dtype(config.dtype, pick_device(config.device))
    for name in {config.model, base}:
        check_model(name)
    check_readable(config.corpus)
    require_parts(config.corpus, config.shares)
    for corpus in (config.general, config.replay):
        if corpus is not None:
            check_readable(corpus)
    extension = load_extension(config.model, base)
    settings = read_config(config.model, trust_remote_code=config.trust_remote_code)
    check_fit(config.model, settings, extension.size, trust_remote_code=config.trust_remote_code)
    check_phases_fit(settings, phases_of(config))
    check_space(config)
    return extension


def _base_of(model: str) -> str:
    """The base that the run names which `model` came out of; the model itself where it has no new tokens."""
    folder = Path(model)
    if not (folder / RECORD).is_file():
        return model
    for place in (folder / "run.json", folder.parent / "run.json"):
        if place.is_file():
            settings = json.loads(place.read_text(encoding="utf-8"))["settings"]
            return settings.get("base") or settings["model"]
    raise ConfigError(
        found=f"{model} with new tokens, and no run.json beside it that says of which base",
        expected="the model that was extended",
        do="give it with --base",
    )


def load_extension(folder: str, base: str) -> ExtendedTokenizer:
    """The extension that stands in a model's folder; where none does, the tokenizer with no new token.

    Raises:
        TokenizerError: the folder's extension is of another base.
    """
    if (Path(folder) / RECORD).is_file():
        return ExtendedTokenizer.load(folder, base)
    file = TokenizerFile.load(folder)
    return ExtendedTokenizer(file, file, (), method="none", family="", asked=0, ceiling=Ceiling(0, 0))


def _write_metrics(
    config: RunConfig, run: RunFolder, base: str, scores: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    ordered = in_order(scores)
    metrics = {
        "title": config.title or f"{Path(config.model).name}: {', '.join(phase.label for phase in phases_of(config))}",
        "model": config.model,
        "base": base,
        "corpus": config.corpus.path,
        "general": None if config.general is None else config.general.path,
        "seed": config.seed,
        "hardware": run.state["hardware"],
        "versions": run.state["versions"],
        "models": [entry["card"] for entry in ordered.values()],
        "phases": phase_facts(run),
        "timing": {"stages": run.seconds(), "total_seconds": run.elapsed()},
    }
    atomic.write_json(run.path / "metrics.json", metrics)
    return metrics
