"""One cell of the grid: a variant and a seed, from bare rows to its figures."""

import dataclasses
import time
from typing import Any

import torch

from tokengraft.config import DistillConfig, RunConfig
from tokengraft.evaluation.generation import continue_greedily
from tokengraft.evaluation.readings import number
from tokengraft.evaluation.scorecard import generation_score
from tokengraft.init import initialise
from tokengraft.interpret import after_new, geometry, piece_cosines
from tokengraft.losses.mixture import HeadMixture, InputMixture
from tokengraft.model import NewRows, find_tables
from tokengraft.model.rows import frozen
from tokengraft.phases import distill
from tokengraft.phases.objectives import Comparison, Scales
from tokengraft.phases.rows import RowsPhase
from tokengraft.phases.starting import choose_methods, gather_ingredients
from tokengraft.stages.scores import prompts
from tokengraft.study.material import Material

TRIAL_STEPS = 4
"""Steps by which a variant's seconds a step are found, after one that is not counted."""


def run_cell(material: Material, chosen: RunConfig, seed: int, *, trained: bool) -> dict[str, Any]:
    """The figures of one cell; seconds are CPU seconds of this process, so that a busy machine does not count."""
    material.blank()
    begun = time.process_time()
    methods = _initialise(material, chosen, seed)
    started, curve, steps = time.process_time(), [], 0
    start = _rows(material)
    if trained:
        steps, curve = _train(material, chosen.distill, seed)
    ended = time.process_time()
    return {
        "methods": methods,
        "seed": seed,
        "steps": steps,
        "seconds_to_initialise": round(started - begun, 3),
        "seconds_to_train": round(ended - started, 3),
        "curve": curve,
        "start": start,
        **_figures(material),
    }


def _initialise(material: Material, chosen: RunConfig, seed: int) -> dict[str, str]:
    texts = material.texts
    given = gather_ingredients(
        material.model, material.extension, [document.text for document in texts.training],
        [document.text for document in texts.replay], settings=chosen.init, distill=chosen.distill, seed=seed,
    )  # fmt: skip
    methods = choose_methods(given, chosen.init, tied=find_tables(material.model).tied)
    initialise(
        material.model, material.extension, inputs=methods["inputs"], head=methods["head"],
        calibrate=chosen.init.calibrate, seed=seed, ingredients=given,
    )  # fmt: skip
    return methods


def _train(material: Material, settings: DistillConfig, seed: int) -> tuple[int, list[dict[str, float]]]:
    """(steps, held-out KL by steps and seconds)."""
    domain, replay = material.windows
    if material.study.seconds is not None:
        settings = dataclasses.replace(settings, steps=_steps_within(material, settings, seed))
    curve: list[dict[str, float]] = []
    began = time.process_time()
    looking = 0.0

    def watch(phase: RowsPhase) -> None:
        nonlocal looking
        if phase.place % material.study.watch_every:
            return
        at = time.process_time()
        seconds = round(at - began - looking, 3)
        curve.append({"step": phase.place, "seconds": seconds, "kl": held_out_kl(phase, material)})
        looking += time.process_time() - at

    distill(material.model, material.extension, domain, replay, settings=settings, seed=seed, watch=watch)
    seconds = round(time.process_time() - began - looking, 3)
    with frozen(material.model):
        plain = dataclasses.replace(settings, head_objective="ce", refit_objective=None)
        phase = RowsPhase(material.model, material.extension, plain)
        curve.append({"step": settings.steps, "seconds": seconds, "kl": held_out_kl(phase, material)})
    return settings.steps, curve


@torch.no_grad()
def held_out_kl(phase: RowsPhase, material: Material) -> float:
    """KL to the base in nats a boundary on the judging windows, whatever the phase learns by."""
    main = phase.main
    plain = dataclasses.replace(main.settings, anchor="boundary", position_decay=None, temperature=1.0)
    comparison = Comparison(main.composed, main.head, InputMixture.of("kl"), HeadMixture.of("ce"), plain, None)
    scales = Scales.of(material.judges, main.composed.base_size, None)
    return float(sum(inputs[0] for inputs, _ in comparison.taught(material.judges, scales)))


def _steps_within(material: Material, settings: DistillConfig, seed: int) -> int:
    """Steps that fit into the seconds, its closing fit left out; rows are given back as they were."""
    before = NewRows.read(material.model, material.extension.base_size, material.extension.size)
    marks: list[float] = []
    trial = dataclasses.replace(settings, steps=TRIAL_STEPS + 2, refit_positions=0)
    domain, replay = material.windows

    def timer(_: RowsPhase) -> None:
        marks.append(time.process_time())

    distill(material.model, material.extension, domain, replay, settings=trial, seed=seed, watch=timer)
    before.write(material.model, material.extension.base_size)
    each = (marks[-1] - marks[0]) / (len(marks) - 1)
    assert material.study.seconds is not None
    return max(1, int(material.study.seconds / each))


def _figures(material: Material) -> dict[str, Any]:
    scorers = material.scorers
    card = scorers["report"].score("variant", material.model)
    choice = scorers["choice"].score("variant", material.model)["general"] if "choice" in scorers else None
    return {
        "domain": card["domain"],
        "general": card["general"],
        "choice": choice,
        "generation": _generation(material),
        "after_new": _after_new(material),
        **_rows(material),
    }


def _generation(material: Material) -> dict[str, Any]:
    extension, settings = material.extension, material.config.evaluation
    written = [
        continue_greedily(material.model, extension.file, prompt, max_tokens=settings.prompt_tokens)
        for prompt in prompts(material.config.evaluation, material.texts.heldout)
    ]
    return generation_score(written, extension.file, extension.decomposition)


def _after_new(material: Material) -> dict[str, float] | None:
    found = after_new(material.model, material.heldout, material.extension)
    return None if found is None else dataclasses.asdict(found)


def _rows(material: Material) -> dict[str, dict[str, Any]]:
    """Where the new rows lie: cosines to their pieces, median norm and effective rank, table by table."""
    tables, extension = find_tables(material.model), material.extension
    new = slice(extension.base_size, extension.size)
    halves = {"inputs": tables.input_weight, "head": tables.head_weight}
    cosines = {
        name: {
            place: number(value)
            for place, value in piece_cosines(table, extension.new_tokens, extension.base_size).means().items()
        }
        for name, table in halves.items()
    }
    shapes = {name: geometry(table[new]) for name, table in halves.items()}
    return {
        "cosines": cosines,
        "geometry": {
            name: {"norm": float(found.norms.median()), "effective_rank": found.effective_rank}
            for name, found in shapes.items()
        },
    }
