"""The text in a record's field."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from tokengraft.errors import CorpusError

SHOWN = 20
"""Field names that a message lists at most."""


def text_of(record: Mapping[str, Any], field: str, where: str) -> str:
    """The text in a record's field; a null is an empty text, as exporters write missing values so.

    >>> text_of({"body": "x"}, "text", "notes.jsonl, line 1")
    Traceback (most recent call last):
    tokengraft.errors.CorpusError: found: notes.jsonl, line 1: no field 'text'; there is body
    expected: a text in the field 'text' of every record
    do: set `field` to the one that holds the text

    Raises:
        CorpusError: there is no such field, or it holds something other than a text.
    """
    if field not in record:
        raise missing_field(field, record, where)
    text = record[field]
    if text is None:
        return ""
    if not isinstance(text, str):
        raise wrong_field(field, type(text).__name__, where)
    return text


def missing_field(field: str, there: Iterable[str], where: str) -> CorpusError:
    """The error for a field that is not there, naming those that are."""
    names = list(there)
    close = difflib.get_close_matches(field, names, n=1)
    shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    return CorpusError(
        found=f"{where}: no field {field!r}; there is {shown or 'none'}",
        expected=f"a text in the field {field!r} of every record",
        do=f"did you mean `field` {close[0]!r}?" if close else "set `field` to the one that holds the text",
    )


def wrong_field(field: str, kind: str, where: str) -> CorpusError:
    """The error for a field that holds something other than text."""
    return CorpusError(
        found=f"{where}: field {field!r} holds {kind}",
        expected=f"a text in the field {field!r} of every record",
        do="set `field` to the one that holds the text",
    )
