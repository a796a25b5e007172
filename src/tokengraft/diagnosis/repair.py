"""`--fix`: the repairs that are safe, on a copy; the model that was examined is not touched."""

import shutil
from pathlib import Path

from tokengraft import atomic
from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import checks
from tokengraft.diagnosis.finding import Finding
from tokengraft.errors import ModelError, RunFolderError


def repair(case: Case, findings: list[Finding], out: str | Path) -> list[str]:
    """What was changed, a line for each repair. `out` becomes a copy of the model's folder, with the tokenizer that
    was examined, in which the findings that are `fixable` are put right. Weights are copied as they are.

    Raises:
        ModelError: the model is in memory and not in a folder.
        RunFolderError: `out` is there already, or cannot be written.
    """
    place = Path(out).expanduser()
    if case.source.folder is None:
        raise ModelError(found="a model in memory", expected="a model folder", do="save it, and examine the folder")
    if place.exists():
        raise RunFolderError(found=f"{out} is there already", expected="a new place", do="choose another with --out")
    done = []
    with atomic.folder(place) as copy:
        shutil.copytree(case.source.folder, copy, dirs_exist_ok=True, copy_function=shutil.copyfile)
        if case.vocabulary and case.vocabulary.folder != case.source.folder:
            case.vocabulary.file.save(copy)
        for code in dict.fromkeys(finding.code for finding in findings if finding.fixable):
            mend = checks.get(code).repair
            line = mend(case, copy) if mend else None
            if line:
                done.append(f"{code}: {line}")
    return done
