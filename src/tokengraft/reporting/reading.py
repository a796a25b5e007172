"""JSON values by name and type; whatever is missing or of another type is said with its file and its path.

>>> fields = Fields({"tokens": {"added": 800}}, "metrics.json", "")
>>> fields.part("tokens").whole("added")
800
>>> fields.part("tokens").text("method")
Traceback (most recent call last):
tokengraft.errors.RunFolderError: found: metrics.json: no tokens.method
expected: text
do: run `tokengraft expand` on this folder again: it writes the file anew
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tokengraft.errors import RunFolderError

T = TypeVar("T")

REMEDY = "run `tokengraft expand` on this folder again: it writes the file anew"


class Fields:
    """A JSON object whose members are asked for by name and type. Members nobody asks for are let be."""

    def __init__(self, values: Mapping[str, Any], file: str, where: str) -> None:
        self.values = values
        self.file = file
        self.where = where

    def text(self, name: str) -> str:
        """The text under `name`."""
        return self._of(name, str, "text")

    def flag(self, name: str) -> bool:
        """The truth value under `name`."""
        return self._of(name, bool, "true or false")

    def whole(self, name: str) -> int:
        """The whole number under `name`."""
        return self._of(name, int, "a whole number")

    def number(self, name: str) -> float:
        """The number under `name`. It may be NaN: a model that diverged is shown, not hidden."""
        return float(self._of(name, int | float, "a number"))

    def part(self, name: str) -> "Fields":
        """The object under `name`."""
        return Fields(self._of(name, Mapping, "an object"), self.file, f"{self.where}{name}.")

    def items(self, name: str) -> list[Any]:
        """The list under `name`, as it is."""
        return self._of(name, list, "a list")

    def numbers(self, name: str) -> list[float]:
        """The list of numbers under `name`."""
        found = self.items(name)
        if not all(isinstance(item, int | float) and not isinstance(item, bool) for item in found):
            raise self.refusal(name, "a list of numbers")
        return [float(item) for item in found]

    def texts(self, name: str) -> list[str]:
        """The list of texts under `name`."""
        found = self.items(name)
        if not all(isinstance(item, str) for item in found):
            raise self.refusal(name, "a list of texts")
        return found

    def parts(self, name: str) -> list["Fields"]:
        """The list of objects under `name`."""
        found = []
        for place, item in enumerate(self.items(name)):
            where = f"{self.where}{name}[{place}]"
            if not isinstance(item, Mapping):
                raise self.refusal(where.removeprefix(self.where), "an object")
            found.append(Fields(item, self.file, f"{where}."))
        return found

    def maybe(self, read: Callable[["Fields", str], T], name: str) -> T | None:
        """What `read` finds under `name`; None where there is nothing or null.

        >>> Fields({"general": None}, "metrics.json", "").maybe(Fields.text, "general")
        """
        return None if self.values.get(name) is None else read(self, name)

    def refusal(self, name: str, expected: str) -> RunFolderError:
        """The error that says what stands under `name` instead of what was expected."""
        path = f"{self.where}{name}"
        found = f"{path} = {str(self.values[name])[:60]!r}" if name in self.values else f"no {path}"
        return RunFolderError(found=f"{self.file}: {found}", expected=expected, do=REMEDY)

    def _of(self, name: str, kind: Any, expected: str) -> Any:
        value = self.values.get(name)
        # bool is a kind of int in Python, and never one in a measurement.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.refusal(name, expected)
        return value


def read_object(path: Path) -> Fields:
    """The JSON object in a file.

    Raises:
        RunFolderError: the file cannot be read, or is no JSON object.
    """
    return _parse(_text(path), path.name)


def read_lines(path: Path) -> Iterator[Fields]:
    """The JSON objects of a file that holds one a line.

    Raises:
        RunFolderError: the file cannot be read, or a line is no JSON object; its number is said.
    """
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            yield _parse(line, f"{path.name} line {number}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunFolderError(found=f"{path}: {error}", expected="a readable UTF-8 file", do=REMEDY) from error


def _parse(text: str, file: str) -> Fields:
    try:
        values = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise RunFolderError(found=f"{file}: {error}", expected="well-formed JSON", do=REMEDY) from error
    if not isinstance(values, Mapping):
        raise RunFolderError(found=f"{file} holds {type(values).__name__}", expected="a JSON object", do=REMEDY)
    return Fields(values, file, "")
