"""What a run leaves: the model, its figures and its page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch

from tokengraft import atomic
from tokengraft.artifacts import RunFolder
from tokengraft.config import RunConfig
from tokengraft.evaluation.details import against, count_verdicts, read_details, write_tokens
from tokengraft.evaluation.intervals import differences
from tokengraft.evaluation.scorecard import gap_closed
from tokengraft.model.load import pick_device
from tokengraft.model.stored import stored_dtype
from tokengraft.progress import task
from tokengraft.reporting import write_report
from tokengraft.stages.later import STATE
from tokengraft.stages.phase_task import CONTROL
from tokengraft.tokenizer import ExtendedTokenizer

T = TypeVar("T")


def write_model(config: RunConfig, run: RunFolder, model: Any, extension: ExtendedTokenizer) -> None:
    """Writes `model/`, weights and tokenizer together, in the dtype that the base was stored in."""
    if not run.has("model", "model"):
        with task("write the model"), run.stage("model", "model"), atomic.folder(run.path / "model") as place:
            # Every old row came from that dtype and every new one was rounded to it: nothing is lost.
            model.to(stored_dtype(config.model)).save_pretrained(place)
            extension.save(place)
    # The weights between phases have done their part.
    (run.path / STATE).unlink(missing_ok=True)


def write_control(config: RunConfig, run: RunFolder, model: Any, extension: ExtendedTokenizer) -> None:
    """Writes `control/`, the control's weights with the base's own tokenizer."""
    with task("write the control"), run.stage("control", CONTROL), atomic.folder(run.path / CONTROL) as place:
        dtype = model.dtype
        model.to(stored_dtype(config.model)).save_pretrained(place)
        extension.base.save(place)
        model.to(dtype)


def write_metrics(
    config: RunConfig,
    run: RunFolder,
    extension: ExtendedTokenizer,
    scores: Mapping[str, Mapping[str, Any]],
    passages: list[dict[str, Any]],
) -> dict[str, Any]:
    """The figures of the run, also written to `metrics.json`; passages and continuations go to `samples.json`.

    `scores` are the models in the order of the page: the base first, the one that the run ends with last.
    """
    tokens = dict(run.facts("tokens") or {})
    memory = run.facts("memory") or {}
    cards = [entry["card"] for entry in scores.values()]
    details = read_details(run.path, list(scores))
    write_tokens(run.path, details, [token.to_dict() for token in extension.new_tokens])
    metrics = {
        "title": config.title or f"{Path(config.model).name}: {tokens['added']} new tokens",
        "model": config.model,
        "corpus": config.corpus.path,
        "general": None if config.general is None else config.general.path,
        "seed": config.seed,
        "hardware": {**run.state["hardware"], "device": str(pick_device(config.device)), "gpu": _accelerator()},
        "versions": run.state["versions"],
        "checks": tokens.pop("checks", []),
        "tokens": tokens,
        "exactness": run.facts("grow"),
        "models": cards,
        "differences": differences(details, against(list(scores))),
        "verdicts": count_verdicts(details),
        "gap_closed": gap_closed(scores["base"]["card"], scores["initialised"]["card"], cards[-1]),
        "phases": phase_facts(run),
        "memory": memory if "engine_bytes" in memory else None,
        "timing": {"stages": run.seconds(), "total_seconds": run.elapsed()},
        "training": run.facts("distill"),
    }
    atomic.write_json(run.path / "samples.json", {"passages": passages, "continuations": _side_by_side(scores)})
    atomic.write_json(run.path / "metrics.json", metrics)
    return metrics


def draw_page(run: RunFolder) -> Path:
    """Path of the page."""
    with task("draw the page"), run.stage("page"):
        return write_report(run.path)


def _side_by_side(scores: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    written = [entry["written"] for entry in scores.values()]
    return [
        {"prompt": entries[0]["prompt"], **dict(zip(scores, entries, strict=True))}
        for entries in zip(*written, strict=True)
    ]


def in_order(scores: Mapping[str, T]) -> dict[str, T]:
    """The base first, the control beside it, the final model last."""
    names = sorted(scores, key=lambda name: {"base": 0, CONTROL: 1}.get(name, 2))
    return {name: scores[name] for name in names}


def phase_facts(run: RunFolder) -> list[dict[str, Any]]:
    """Facts of each part of the later phases, those of the control among them."""
    return [{"name": name, **(run.facts(name) or {})} for name in run.seconds() if ": " in name]


def _accelerator() -> str | None:
    found = torch.accelerator.current_accelerator(check_available=True)
    if found is None:
        return None
    return torch.cuda.get_device_name() if found.type == "cuda" else str(found)
