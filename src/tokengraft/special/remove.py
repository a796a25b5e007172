"""Taking back the last addition to a model folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokengraft import atomic
from tokengraft.errors import RunFolderError
from tokengraft.special.folder import FORMAT, RECORD, additions, copy
from tokengraft.special.stored import bring_back, unpacked
from tokengraft.special.textdelta import recovered
from tokengraft.special.weights import digest


def last_addition(folder: Path) -> dict[str, Any]:
    """The record of what was added last.

    Raises:
        RunFolderError: nothing was, or the record is gone.
    """
    made = additions(folder)
    if not made:
        raise RunFolderError(
            found=f"{folder} without {RECORD}",
            expected="a model folder that tokengraft special has written",
            do="check the path; tokens that others added are not on record",
        )
    return made[-1]


def take_back(source: Path, place: Path) -> dict[str, bool]:
    """Fills `place` with the folder as it was before the last addition; for each file, whether it is identical.

    A file is not where it was changed since, as by training: then what was added goes, and the change stays.

    Raises:
        RunFolderError: there is nothing on record, or a file has changed so that its tokens cannot be taken out.
    """
    addition = last_addition(source)
    files, weights = addition["files"], addition["weights"]
    copy(source, place, {*files, *weights, RECORD})
    same = {name: _text_back(source / name, place / name, back) for name, back in files.items() if back is not None}
    for name, text in addition["dropped"].items():
        atomic.write_bytes(place / name, unpacked(text))
    for name, record in weights.items():
        same[name] = bring_back(source / name, place / name, record)
    earlier = additions(source)[:-1]
    if earlier:
        atomic.write_json(place / RECORD, {"format": FORMAT, "additions": earlier})
    return same


def _text_back(source: Path, target: Path, back: Mapping[str, Any]) -> bool:
    try:
        data = recovered(source.read_bytes(), back)
    except (OSError, ValueError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise RunFolderError(
            found=f"{source}, which has changed since: {error!r}",
            expected="the file that tokengraft special wrote, or one that still holds what it added",
            do="take the original model",
        ) from error
    atomic.write_bytes(target, data)
    return digest(target) == back["before"]
