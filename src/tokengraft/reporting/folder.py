"""Reads a run folder: `metrics.json` must be there, every other file may be missing."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokengraft.config import read_settings
from tokengraft.errors import RunFolderError
from tokengraft.reporting.data import Continuation, Output, Passage, Run, Token
from tokengraft.reporting.details import read_details, read_learned
from tokengraft.reporting.evidence import Curve, Learned
from tokengraft.reporting.log import read_curves, read_steps
from tokengraft.reporting.metrics import read_metrics
from tokengraft.reporting.reading import Fields, read_lines, read_object

CANDIDATES, SAMPLES, TRAINING = "candidates.jsonl", "samples.json", "training.jsonl"


def read_run(folder: Path) -> Run:
    """The run in a folder.

    Raises:
        RunFolderError: there is no such folder, no `metrics.json`, or a file that is broken.
        ConfigError: `config.yaml` is not well formed.
    """
    _require_evaluated(folder)
    metrics = read_metrics(read_object(folder / "metrics.json"))
    names = [model.name for model in metrics.models]
    tokens, rejected = _candidates(folder / CANDIDATES, read_learned(folder, names[-1]))
    passages, continuations = _samples(folder / SAMPLES)
    return Run(
        metrics=metrics,
        tokens=tokens,
        rejected=rejected,
        steps=read_steps(_log(folder)),
        passages=passages,
        continuations=continuations,
        settings=_settings(folder / "config.yaml"),
        details=read_details(folder, names),
        curves=read_folder_curves(folder),
    )


def read_tokens(folder: Path, model: str) -> tuple[Token, ...]:
    """The new tokens of a run, with what a model made of each; none where the folder keeps no list.

    Raises:
        RunFolderError: the list is broken.
    """
    return _candidates(folder / CANDIDATES, read_learned(folder, model))[0]


def read_passages(folder: Path) -> tuple[Passage, ...]:
    """Held-out passages in both tokenizations.

    Raises:
        RunFolderError: the file of samples is broken.
    """
    return _samples(folder / SAMPLES)[0]


def read_folder_curves(folder: Path) -> tuple[Curve, ...]:
    """Learning curves of the run in a folder, or of the run that made what was measured in it.

    Raises:
        RunFolderError: an event has a member of another type.
    """
    return read_curves(_log(folder))


def _log(folder: Path) -> Path:
    """The log of the training: an evaluation keeps that of the run that it measured."""
    kept = folder / TRAINING
    return kept if kept.is_file() else folder / "log.jsonl"


def _require_evaluated(folder: Path) -> None:
    if not folder.is_dir():
        raise RunFolderError(found=f"no folder {folder}", expected="a run folder", do="check the path")
    if not (folder / "metrics.json").is_file():
        raise RunFolderError(
            found=f"no metrics.json in {folder}",
            expected="a run whose evaluation has ended",
            do="run `tokengraft expand` on this folder to its end: the evaluation stage writes metrics.json",
        )


def _candidates(path: Path, learned: Mapping[int, Learned]) -> tuple[tuple[Token, ...], dict[str, int]]:
    if not path.is_file():
        return (), {}
    tokens: list[Token] = []
    rejected: Counter[str] = Counter()
    for line in read_lines(path):
        reason = line.maybe(Fields.text, "rejected")
        if reason is None:
            tokens.append(_token(line, learned))
        else:
            rejected[reason] += 1
    return tuple(sorted(tokens, key=lambda token: (-(token.saved or 0), token.id))), dict(rejected.most_common())


def _token(line: Fields, learned: Mapping[int, Learned]) -> Token:
    text = line.maybe(Fields.text, "text") or line.text("token")
    spelling = line.maybe(Fields.text, "bytes")
    pieces = _texts(line, "piece_texts") if "piece_texts" in line.values else ()
    try:
        data = text.encode(errors="surrogatepass") if spelling is None else bytes.fromhex(spelling)
    except ValueError as error:
        raise line.refusal("bytes", "hexadecimal digits") from error
    return Token(
        id=line.whole("id"),
        bytes=data,
        pieces=tuple(line.items("pieces")),
        piece_texts=pieces,
        count=line.maybe(Fields.whole, "count"),
        saved=line.maybe(Fields.whole, "saved"),
        notes=_texts(line, "notes") if "notes" in line.values else (),
        learned=learned.get(line.whole("id")),
    )


def _texts(line: Fields, name: str) -> tuple[str, ...]:
    return tuple(line.texts(name))


def _samples(path: Path) -> tuple[tuple[Passage, ...], tuple[Continuation, ...]]:
    if not path.is_file():
        return (), ()
    samples = read_object(path)
    passages = tuple(
        Passage(part.text("name"), _pairs(part, "base"), _pairs(part, "extended"))
        for part in samples.maybe(Fields.parts, "passages") or []
    )
    return passages, tuple(_continuation(part) for part in samples.maybe(Fields.parts, "continuations") or [])


def _pairs(part: Fields, name: str) -> tuple[tuple[str, int], ...]:
    pairs = part.items(name)
    if not all(
        isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and isinstance(pair[1], int)
        for pair in pairs
    ):
        raise part.refusal(name, "a list of [text, id]")
    return tuple((text, identity) for text, identity in pairs)


def _continuation(part: Fields) -> Continuation:
    prompt = part.text("prompt")
    outputs = [(name, part.maybe(Fields.part, name)) for name in part.values if name != "prompt"]
    return Continuation(prompt, tuple(_output(name, output, prompt) for name, output in outputs if output is not None))


def _output(name: str, output: Fields, prompt: str) -> Output:
    return Output(
        model=name,
        text=output.text("text").removeprefix(prompt),
        tokens=output.maybe(Fields.whole, "tokens"),
        seconds=output.maybe(Fields.number, "seconds"),
    )


def _settings(path: Path) -> dict[str, Any]:
    return _dotted(read_settings(path)) if path.is_file() else {}


def _dotted(settings: dict[str, Any], where: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        path = f"{where}{name}"
        flat.update(_dotted(value, f"{path}.") if isinstance(value, dict) and value else {path: value})
    return flat
