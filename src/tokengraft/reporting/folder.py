"""Reads a run folder: `metrics.json` must be there, every other file may be missing."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tokengraft.config import read_settings
from tokengraft.errors import RunFolderError
from tokengraft.reporting.data import Continuation, Output, Passage, Run, Step, Token
from tokengraft.reporting.metrics import read_metrics
from tokengraft.reporting.reading import Fields, read_lines, read_object


def read_run(folder: Path) -> Run:
    """The run in a folder.

    Raises:
        RunFolderError: there is no such folder, no `metrics.json`, or a file that is broken.
        ConfigError: `config.yaml` is not well formed.
    """
    _require_evaluated(folder)
    tokens, rejected = _candidates(folder / "candidates.jsonl")
    passages, continuations = _samples(folder / "samples.json")
    return Run(
        metrics=read_metrics(read_object(folder / "metrics.json")),
        tokens=tokens,
        rejected=rejected,
        steps=_steps(folder / "log.jsonl"),
        passages=passages,
        continuations=continuations,
        settings=_settings(folder / "config.yaml"),
    )


def _require_evaluated(folder: Path) -> None:
    if not folder.is_dir():
        raise RunFolderError(found=f"no folder {folder}", expected="a run folder", do="check the path")
    if not (folder / "metrics.json").is_file():
        raise RunFolderError(
            found=f"no metrics.json in {folder}",
            expected="a run whose evaluation has ended",
            do="run `tokengraft expand` on this folder to its end: the evaluation stage writes metrics.json",
        )


def _candidates(path: Path) -> tuple[tuple[Token, ...], dict[str, int]]:
    if not path.is_file():
        return (), {}
    tokens: list[Token] = []
    rejected: Counter[str] = Counter()
    for line in read_lines(path):
        reason = line.maybe(Fields.text, "rejected")
        if reason is None:
            tokens.append(_token(line))
        else:
            rejected[reason] += 1
    return tuple(sorted(tokens, key=lambda token: (-(token.saved or 0), token.id))), dict(rejected.most_common())


def _token(line: Fields) -> Token:
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
    )


def _texts(line: Fields, name: str) -> tuple[str, ...]:
    values = line.items(name)
    if not all(isinstance(value, str) for value in values):
        raise line.refusal(name, "a list of texts")
    return tuple(values)


def _steps(path: Path) -> tuple[Step, ...]:
    """Step events by step. A killed run tears its last line and, resumed, logs some steps again: the last counts."""
    if not path.is_file():
        return ()
    found: dict[int, Step] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(event, dict) and event.get("event") == "step":
            fields = Fields(event, path.name, "")
            step = fields.whole("step")
            found[step] = Step(step, fields.maybe(Fields.number, "kl"), fields.maybe(Fields.number, "cross_entropy"))
    return tuple(found[step] for step in sorted(found))


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
