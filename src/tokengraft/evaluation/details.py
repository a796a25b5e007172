"""The files behind the figures: `evaluation/` in a run folder, one file a model, and a table of the new tokens.

`evaluation/<model>.json` holds sums by document (which other runs can be compared by), bins and distances for the page;
`evaluation/tokens.jsonl` holds a line for each new token: which were learned, and which were not.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokengraft import atomic
from tokengraft.evaluation.readings import Reading

FOLDER = "evaluation"
TOKENS = "tokens.jsonl"


def write_details(run: Path, reading: Reading, geometry: Mapping[str, Any] | None) -> None:
    """Writes the file of one model."""
    detail = {**reading.detail(), "tokens": reading.tokens(), "geometry": geometry}
    place = run / FOLDER / f"{reading.name}.json"
    with atomic.storage_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(place, json.dumps(detail, ensure_ascii=False) + "\n")


def read_details(run: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """The files of the named models, those that are there."""
    places = [run / FOLDER / f"{name}.json" for name in names]
    return [json.loads(place.read_text(encoding="utf-8")) for place in places if place.is_file()]


def write_tokens(run: Path, details: Sequence[Mapping[str, Any]], tokens: Sequence[Mapping[str, Any]]) -> None:
    """Writes the table of the new tokens, whose `id`, `text` and `pieces` are given, if a model has figures of them."""
    measured = [detail for detail in details if detail.get("tokens")]
    if measured:
        atomic.write_jsonl(run / FOLDER / TOKENS, _lines(measured, tokens))


def count_verdicts(details: Sequence[Mapping[str, Any]]) -> dict[str, int] | None:
    """How many tokens the last model learned, and did not; None where no model has new tokens."""
    measured = [detail["tokens"] for detail in details if detail.get("tokens")]
    return dict(Counter(token["verdict"] for token in measured[-1])) if measured else None


def _lines(details: Sequence[Mapping[str, Any]], tokens: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for place, token in enumerate(tokens):
        figures = {detail["name"]: detail["tokens"][place] for detail in details}
        last = figures[details[-1]["name"]]
        yield {
            "id": token["id"], "text": token["text"], "pieces": list(token["pieces"]), "count": last["count"],
            "verdict": last["verdict"],
            "models": {name: {k: _short(v) for k, v in each.items() if k != "count"} for name, each in figures.items()},
        }  # fmt: skip


def _short(value: Any) -> Any:
    return round(value, 5) if isinstance(value, float) else value


def against(names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of models whose difference is of interest: the last against each other one, a control against the base.

    >>> against(["base", "control", "initialised", "distilled"])
    [('base', 'distilled'), ('control', 'distilled'), ('initialised', 'distilled'), ('base', 'control')]
    """
    pairs = [(name, names[-1]) for name in names[:-1]]
    return [*pairs, *((names[0], name) for name in names[1:-1] if name == "control")]
