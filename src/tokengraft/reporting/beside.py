"""What stands behind several runs, for one page: their documents, learning curves, calibration and rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from tokengraft.evaluation.comparison import RunFigures
from tokengraft.reporting import measured
from tokengraft.reporting.data import Passage, Token
from tokengraft.reporting.details import read_details
from tokengraft.reporting.every_figure import Card
from tokengraft.reporting.evidence import Curve, Detail, TaskDifference
from tokengraft.reporting.folder import read_folder_curves, read_passages, read_tokens
from tokengraft.reporting.metrics import read_questions, read_scores
from tokengraft.reporting.reading import read_object

MOST_SCATTERS = 4
METRICS = "metrics.json"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the runs of a comparison beyond their figures; each part may be empty."""

    details: tuple[Detail, ...] = ()
    """Under the runs' names."""
    curves: tuple[tuple[str, tuple[Curve, ...]], ...] = ()
    """Learning curves of each folder, under the folder's name."""
    tokens: tuple[Token, ...] = ()
    """New tokens of the last run that has some, and its passages."""
    passages: tuple[Passage, ...] = ()
    cards: tuple[Card, ...] = ()
    """All figures of each run, as far as it has any."""
    questions: tuple[TaskDifference, ...] = ()
    """Models of one folder on the same questions of lm-eval; none where the runs are of several folders."""


def gather(figures: Sequence[RunFigures]) -> Evidence:
    """The evidence in the runs' folders.

    Raises:
        RunFolderError: a file is broken.
    """
    known = [run for run in figures if run.folder is not None and run.model is not None]
    details = [
        replace(detail, name=run.name) for run in known for detail in read_details(_folder(run), [run.model or ""])
    ]
    folders = dict.fromkeys(_folder(run) for run in known)
    alone = "with the new tokens" if len(folders) == 1 else None
    curves = ((alone or folder.resolve().name, read_folder_curves(folder)) for folder in folders)
    last, tokens = _last_with_tokens(known)
    measured_in = [folder for folder in folders if (folder / METRICS).is_file()]
    return Evidence(
        tuple(details),
        tuple((name, found) for name, found in curves if found),
        tokens,
        read_passages(last) if last is not None else (),
        tuple(card for run in known if (card := _card(run)) is not None),
        read_questions(read_object(measured_in[0] / METRICS)) if len(folders) == len(measured_in) == 1 else (),
    )


def _card(run: RunFigures) -> Card | None:
    path = _folder(run) / METRICS
    if not path.is_file():
        return None
    scores, tasks = read_scores(read_object(path), run.model or "")
    return Card(run.name, scores, tasks) if scores or tasks else None


def _last_with_tokens(runs: Sequence[RunFigures]) -> tuple[Path | None, tuple[Token, ...]]:
    for run in reversed(runs):
        tokens = read_tokens(_folder(run), run.model or "")
        if tokens:
            return _folder(run), tokens
    return None, ()


def _folder(run: RunFigures) -> Path:
    assert run.folder is not None
    return run.folder


def charts(evidence: Evidence) -> dict[str, list[Markup]]:
    """Charts by the part of the page that they belong to; what was not measured is left out."""
    details = evidence.details
    tables = {
        name: [(detail.name, detail.tables[name]) for detail in details if name in detail.tables]
        for name in ("inputs", "head")
    }
    rows = [draw(name, each) for name, each in tables.items() for draw in (measured.cosines, measured.norms)]
    where = next((detail.map for detail in reversed(details) if detail.map), None)
    use = [
        *_scatters(details), measured.saved_by_frequency(evidence.tokens), measured.calibration(details),
        measured.kl_by_distance(details),
    ]  # fmt: skip
    drawn: dict[str, list[Any]] = {
        "use": use,
        "learning": measured.learning_curves(evidence.curves),
        "rows": [*rows, measured.row_map(where) if where else None],
    }
    return {part: [chart for chart in found if chart] for part, found in drawn.items()}


def _scatters(details: Sequence[Detail]) -> Iterator[Markup | None]:
    """Bytes a token of the first run against each other's whose tokenization differs."""
    first = details[0] if details else None
    if first is None or first.domain is None:
        return
    others = [each for each in details[1:] if each.domain and each.domain.tokens != first.domain.tokens]
    seen: list[tuple[float, ...]] = []
    for other in reversed(others):  # of runs with the same tokens the last one stands for all
        if other.domain is not None and other.domain.tokens not in seen and len(seen) < MOST_SCATTERS:
            seen.append(other.domain.tokens)
            yield measured.documents(first, other, (first.name, other.name), f"documents-{len(seen)}")
