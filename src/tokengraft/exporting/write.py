"""Writing an export: filled in a temporary folder, tried there by a fresh process, and only then moved into place."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tokengraft import atomic
from tokengraft.errors import RunFolderError
from tokengraft.exporting import Options, exporters
from tokengraft.exporting.card import write_card
from tokengraft.exporting.finished import Finished
from tokengraft.exporting.trial import Outcome, Trial
from tokengraft.progress import task
from tokengraft.settings_values import build


@dataclass(frozen=True, slots=True)
class Attempted:
    """An export in its place, and what the trial found."""

    path: Path
    outcome: Outcome


def write_and_try(run: Path, out: Path, form: str, options: Mapping[str, object]) -> Attempted:
    """The folder `out`, filled, and what a fresh process gave that loaded it.

    Raises:
        ConfigError: there is no such format or option.
        RunFolderError: the run is not finished, or `out` holds something already.
        ExportError: the format cannot hold this model, or what was written does not load as the run's model.
    """
    exporter, chosen = exporters.get(form), build(Options, options)
    chosen.refuse_unheard(form)
    finished = Finished.read(run)
    _refuse_taken(out)
    with atomic.folder(out) as place:
        with task(f"write {form}"):
            written = exporter(finished, place, chosen)
        with task("load it in a fresh process"):
            trial = Trial.of(finished, trust_remote_code=chosen.trust_remote_code)
            outcome = (
                written.attempt(trial, place)
                if written.attempt
                else trial.run(place, written.loading + written.check, written.checked)
            )
        write_card(finished, place, form, written, outcome)
    return Attempted(out, outcome)


def _refuse_taken(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunFolderError(
            found=f"{out}, which holds something already",
            expected="a place for a new folder",
            do="choose another place with --out, or move what is there",
        )
