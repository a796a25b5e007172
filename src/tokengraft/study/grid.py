"""The grid: cells one after the other, each kept as soon as it is done."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokengraft import atomic
from tokengraft.artifacts import RunFolder
from tokengraft.config import RunConfig
from tokengraft.progress import bar
from tokengraft.reporting.study import write_study
from tokengraft.study.cell import run_cell
from tokengraft.study.material import Material
from tokengraft.study.settings import StudyConfig, seeds_of, study_settings, variant_of
from tokengraft.study.table import COLUMNS, Row, kl_target, summarise, table_markdown

CELLS, PAGE, TEACHER = "cells", "study.html", "teacher"


@dataclass(frozen=True, slots=True)
class Study:
    """A finished grid: its folder, every cell's figures by (variant, seed), and the rows of its table."""

    path: Path
    base: Mapping[str, Any]
    cells: Mapping[tuple[str, int], Mapping[str, Any]]
    rows: list[Row]


def run_study(settings: Mapping[str, Any]) -> Study:
    """The study that the settings describe; one that was stopped goes on with the first cell that is missing.

    A cell is kept under its variant's settings: variants may be added, taken out or changed between two starts, and
    only what is new is run. `study.json`, `study.md` and the page `study.html` in the folder hold the table.

    Raises:
        TokengraftError: the settings cannot be used, or model or corpora must be put right first.
    """
    config, study = study_settings(settings)
    shared = {name: value for name, value in config.to_dict().items() if name not in {"init", "distill"}}
    shared["training"] = {name: getattr(config.distill, name) for name in ("steps", "tokens_per_step", "max_length")}
    with RunFolder.open(Path(config.out), shared) as run:
        material = _Lazy(config, study, run)
        base = _base(run, material)
        cells = {}
        places = _places(study)
        with bar(len(places), "study", "cell") as progress:
            for name, seed in places:
                cells[name, seed] = _cell(run, material, settings, study, name, seed)
                progress.update()
        rows = summarise(cells, study, base)
        plain = _plain(run, config, study, base, cells, rows)
        atomic.write_json(run.path / "study.json", plain)
        atomic.write_text(run.path / "study.md", table_markdown(rows, base, study.table))
        write_study(plain, run.path / PAGE)
        shutil.rmtree(run.path / TEACHER, ignore_errors=True)
    return Study(run.path, base, cells, rows)


def _places(study: StudyConfig) -> list[tuple[str, int]]:
    """(variant, seed) of every cell; seed by seed, so that a study that is stopped has compared all variants once."""
    seeds = {name: seeds_of(study, name) for name in study.variants}
    order = list(dict.fromkeys(seed for each in seeds.values() for seed in each))
    return [(name, seed) for seed in order for name in study.variants if seed in seeds[name]]


class _Lazy:
    """The shared material, made when the first missing cell asks for it."""

    def __init__(self, config: Any, study: StudyConfig, run: RunFolder) -> None:
        self._made: Material | None = None
        self._parts = config, study, run

    def get(self) -> Material:
        if self._made is None:
            self._made = Material.make(*self._parts)
        return self._made


def _cell(
    run: RunFolder, material: _Lazy, settings: Mapping[str, Any], study: StudyConfig, name: str, seed: int
) -> dict[str, Any]:
    chosen = variant_of(settings, study, name)
    trained = (study.variants[name] or {}).get("trained", True)
    values = chosen.to_dict()
    decides = json.dumps([values["init"], values["distill"], trained, seed, study.seconds], sort_keys=True)
    path = run.path / CELLS / f"{hashlib.sha256(decides.encode()).hexdigest()[:16]}.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    chosen = _sharing(chosen, study, run.path / TEACHER)
    result = {"variant": name, **run_cell(material.get(), chosen, seed, trained=trained)}
    atomic.write_json(path, result)
    return result


def _sharing(chosen: RunConfig, study: StudyConfig, folder: Path) -> RunConfig:
    """The variant with the folder in which all keep what they read of the teacher, until the study is done.

    Not at equal time: the first variant would pay for the others.
    """
    if study.seconds is not None or chosen.distill.teacher_cache_dir is not None:
        return chosen
    shared = dataclasses.replace(chosen.distill, teacher_cache_dir=str(folder))
    return dataclasses.replace(chosen, distill=shared)


def _base(run: RunFolder, material: _Lazy) -> dict[str, Any]:
    """The base's own figures, on the same text."""
    path = run.path / CELLS / "base.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    scorers = material.get().scorers
    card = scorers["report"].base()
    choice = scorers["choice"].base()["general"] if "choice" in scorers else None
    result = {"domain": card["domain"], "general": card["general"], "choice": choice}
    atomic.write_json(path, result)
    return result


def _plain(
    run: RunFolder, config: RunConfig, study: StudyConfig, base: Mapping[str, Any],
    cells: Mapping[tuple[str, int], Any], rows: list[Row],
) -> dict[str, Any]:  # fmt: skip
    reference = study.reference or next(iter(study.variants))
    return {
        "title": config.title,
        "reference": reference,
        "target": study.target or reference,
        "kl_target": kl_target(cells, study),
        "shared": _shared(config, study, run),
        "variants": {name: json.dumps(settings or {}) for name, settings in study.variants.items()},
        "columns": {name: {"heading": heading, "decimals": digits} for name, (heading, _, digits) in COLUMNS.items()},
        "hardware": run.state["hardware"],
        "versions": run.state["versions"],
        "base": base,
        "rows": [row.to_dict() for row in rows],
        "cells": [{**cell, "variant": name} for (name, _), cell in cells.items()],
    }


def _shared(config: RunConfig, study: StudyConfig, run: RunFolder) -> str:
    """What all variants have in common, in one line."""
    amount = f"{study.seconds:g} CPU seconds" if study.seconds is not None else f"{config.distill.steps} steps"
    machine = run.state["hardware"]
    return (
        f"{config.model}, {config.tokens.size} new tokens by {config.tokens.method} of {config.corpus.path}; "
        f"{amount} of {config.distill.tokens_per_step} base tokens; {machine['cpu']}, {machine['cores']} cores."
    )
