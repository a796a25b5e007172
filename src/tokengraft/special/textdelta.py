"""From a changed JSON file back to the original, byte for byte, by what differs.

>>> old = {"vocab": {"a": 0, "b": 1}, "added": [1, 2], "kept": "x"}
>>> new = {"vocab": {"a": 0, "b": 1, "c": 2}, "added": [1, 2, 3], "kept": "x", "more": None}
>>> way = difference(new, old)
>>> restored(new, way) == old, "vocab" in str(way), "kept" in str(way)
(True, True, False)
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

SAME: dict[str, Any] = {}


def difference(new: Any, old: Any) -> dict[str, Any]:
    """What turns `new` into `old`, as plain values; empty where nothing does."""
    if isinstance(new, dict) and isinstance(old, dict) and all(key in new for key in old):
        inside = {key: way for key, value in old.items() if (way := difference(new[key], value))}
        gone = [key for key in new if key not in old]
        if [key for key in new if key in old] == list(old):
            return {name: value for name, value in (("in", inside), ("drop", gone)) if value}
    if isinstance(new, list) and isinstance(old, list) and not _same(new, old):
        least = min(len(new), len(old))
        front = next((i for i in range(least) if not _same(new[i], old[i])), least)
        back = next((i for i in range(least - front) if not _same(new[-1 - i], old[-1 - i])), least - front)
        return {"front": front, "back": back, "between": old[front : len(old) - back]}
    return SAME if _same(new, old) else {"is": old}


def restored(new: Any, way: Mapping[str, Any]) -> Any:
    """The value that `way` leads to from `new`."""
    if not way:
        return new
    if "is" in way:
        return way["is"]
    if "front" in way:
        return [*new[: way["front"]], *way["between"], *new[len(new) - way["back"] :]]
    gone = set(way.get("drop", ()))
    inside = way.get("in", {})
    return {key: restored(value, inside.get(key, SAME)) for key, value in new.items() if key not in gone}


def written_like(text: str, value: Any) -> str:
    """`value` as JSON in the manner of `text`: its indentation, its escapes, its last line."""
    return json.dumps(value, **_manner(text)) + ("\n" if text.endswith("\n") else "")


def way_back(new: bytes, old: bytes) -> dict[str, Any]:
    """What brings back `old`, which `recovered` uses: a difference where that is exact, else the whole, compressed."""
    check = {"before": _print(old), "after": _print(new)}
    try:
        before = old.decode("utf-8")
        manner = {**_manner(before), "newline": before.endswith("\n")}
        way = {**check, "manner": manner, "way": difference(json.loads(new), json.loads(old))}
        if recovered(new, way) == old:
            return way
    except ValueError:
        pass
    return {**check, "whole": base64.b64encode(zlib.compress(old, 9)).decode("ascii")}


def recovered(new: bytes, back: Mapping[str, Any]) -> bytes:
    """The original bytes."""
    if "whole" in back:
        return zlib.decompress(base64.b64decode(back["whole"]))
    manner = dict(back["manner"])
    newline = manner.pop("newline")
    if manner.get("separators") is not None:
        manner["separators"] = tuple(manner["separators"])
    return (json.dumps(restored(json.loads(new), back["way"]), **manner) + ("\n" if newline else "")).encode("utf-8")


def _manner(text: str) -> dict[str, Any]:
    lines = text.split("\n", 2)
    escapes = text.isascii() and "\\u" in text
    if len(lines) > 1 and lines[1]:
        indent = lines[1][: len(lines[1]) - len(lines[1].lstrip())]
        return {"indent": indent or None, "ensure_ascii": escapes}
    tight = '":"' in text[:2000] or '":{' in text[:2000]
    return {"indent": None, "ensure_ascii": escapes, "separators": [",", ":"] if tight else [", ", ": "]}


def _same(new: Any, old: Any) -> bool:
    # 1 == True == 1.0 in Python, and not in a file.
    return new == old and (isinstance(new, str) or json.dumps(new) == json.dumps(old))


def _print(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
