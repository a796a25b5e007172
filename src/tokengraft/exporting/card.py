"""The model card: what the model is, how to load it, what was measured."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from jinja2 import Environment, PackageLoader, StrictUndefined

from tokengraft.exporting import Written
from tokengraft.exporting.finished import Finished
from tokengraft.exporting.trial import Outcome

RELATION = {"adapter": "adapter", "gguf": "quantized"}
"""What the hub calls the relation to the base; "finetune" for every other format."""

LIBRARY = {"adapter": "peft", "gguf": "gguf"}
"""What loads the format; "transformers" for every other."""


RECIPE = ("tokens", "init", "distill", "phases", "control", "seed")
"""Settings that say how the model was made; where its texts stood is not among them."""


def write_card(finished: Finished, place: Path, form: str, written: Written, outcome: Outcome) -> None:
    """Writes `README.md`: metadata that the hub reads, and text for people."""
    metrics = finished.metrics
    recipe = _without_places(
        {name: finished.settings[name] for name in RECIPE if finished.settings.get(name) not in (None, [])}
    )
    base = _public(finished.base)
    data = ModelCardData(
        base_model=base,
        base_model_relation=RELATION.get(form, "finetune") if base else None,
        library_name=LIBRARY.get(form, "transformers"),
        pipeline_tag="text-generation",
        tags=["tokengraft", "vocabulary-expansion"],
        model_name=metrics["title"],
        eval_results=_results(metrics),
        tokengraft={
            "tokens_added": metrics["tokens"]["added"],
            "tokens_before": metrics["tokens"]["base_size"],
            "phases": [phase["phase"] for phase in recipe.get("phases", ())] or ["rows"],
            "hardware": _hardware(metrics),
        },
    )
    page = Environment(  # noqa: S701 - Markdown, not HTML
        loader=PackageLoader("tokengraft.exporting"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = page.get_template("card.md.jinja").render(
        metrics=metrics,
        base=base or Path(finished.base).name,
        models=metrics["models"],
        loading=written.loading.strip(),
        language=written.language,
        outcome=outcome,
        recipe=yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True).strip(),
        hardware=_hardware(metrics),
        change=_change(metrics),
    )
    ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}").save(place / "README.md")


def _hardware(metrics: Mapping[str, Any]) -> str:
    found = metrics["hardware"]
    return ", ".join(filter(None, [found["cpu"], f"{found.get('cores')} cores", found["gpu"]]))


def _without_places(value: Any) -> Any:
    """Settings with the last part alone of each path of this machine."""
    if isinstance(value, Mapping):
        return {name: _without_places(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_places(part) for part in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def _public(base: str) -> str | None:
    """The base as the hub knows it; a folder of this machine is nobody else's business."""
    return None if Path(base).exists() else base


def _results(metrics: Mapping[str, Any]) -> list[EvalResult]:
    last = metrics["models"][-1]
    return [
        EvalResult(
            task_type="text-generation",
            dataset_type=part,
            dataset_name=f"held-out {part} text",
            metric_type="bits_per_byte",
            metric_value=round(last[part]["bits_per_byte"], 4),
        )
        for part in ("domain", "general")
        if last.get(part)
    ]


def _change(metrics: Mapping[str, Any]) -> float:
    """Share of tokens of held-out domain text that are saved."""
    domain = metrics["tokens"]["fertility"]["domain"]
    return 1 - domain["tokens_extended"] / domain["tokens_base"]
