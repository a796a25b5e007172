"""Reads `evaluation/` of a run folder: what stands behind the figures of each model. All of it may be missing."""

from collections.abc import Sequence
from pathlib import Path

from tokengraft.reporting.evidence import Detail, Documents, Learned, RowMap, Table
from tokengraft.reporting.reading import Fields, read_lines, read_object

FOLDER = "evaluation"
BINS = ("positions", "mass", "new")
FIGURES = ("top1", "log_prob", "kl_after", "written_change", "read_change")


def read_details(folder: Path, models: Sequence[str]) -> tuple[Detail, ...]:
    """Details of the named models, as far as they are there.

    Raises:
        RunFolderError: a file is broken; its path is said.
    """
    places = [folder / FOLDER / f"{name}.json" for name in models]
    return tuple(_detail(read_object(place)) for place in places if place.is_file())


def read_learned(folder: Path, model: str) -> dict[int, Learned]:
    """What a model makes of each new token, by id.

    Raises:
        RunFolderError: the table is broken.
    """
    path = folder / FOLDER / "tokens.jsonl"
    if not path.is_file():
        return {}
    return {line.whole("id"): learned for line in read_lines(path) if (learned := _learned(line, model)) is not None}


def _learned(line: Fields, model: str) -> Learned | None:
    figures = line.part("models").maybe(Fields.part, model)
    if figures is None:
        return None
    return Learned(
        figures.text("verdict"),
        line.whole("count"),
        **{name: figures.maybe(Fields.number, name) for name in FIGURES},
    )


def _detail(fields: Fields) -> Detail:
    domain, geometry = fields.maybe(Fields.part, "domain"), fields.maybe(Fields.part, "geometry")
    calibration = domain.maybe(Fields.part, "calibration") if domain else None
    distance = domain.maybe(Fields.part, "kl_by_distance") if domain else None
    tables = [name for name in ("inputs", "head") if geometry and geometry.values.get(name) is not None]
    where = geometry.maybe(Fields.part, "map") if geometry else None
    return Detail(
        name=fields.text("name"),
        domain=_documents(domain.part("documents")) if domain else None,
        calibration=_rows(calibration, BINS),
        kl_by_distance=_rows(distance, ("nats", "positions")),
        tables={name: _table(geometry.part(name)) for name in tables if geometry},
        map=_map(where) if where else None,
    )


def _rows(part: Fields | None, names: Sequence[str]) -> tuple:
    return tuple(zip(*(part.numbers(name) for name in names), strict=True)) if part else ()


def _documents(part: Fields) -> Documents:
    names = tuple(part.texts("name"))
    return Documents(names, *(tuple(part.numbers(name)) for name in ("bytes", "tokens", "nats")))


def _table(part: Fields) -> Table:
    cosines, norms = part.part("cosines"), part.part("norms")
    return Table(
        {name: tuple(cosines.numbers(name)) for name in cosines.values},
        tuple(norms.numbers("old")),
        tuple(norms.numbers("new")),
    )


def _map(part: Fields) -> RowMap:
    return RowMap(
        tuple(part.texts("texts")),
        tuple(part.texts("kinds")),
        tuple(part.numbers("x")),
        tuple(part.numbers("y")),
        part.maybe(Fields.number, "explained"),
    )
