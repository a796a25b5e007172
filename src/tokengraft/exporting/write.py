"""Writing an export: filled in a temporary folder, tried there by a fresh process, and only then moved into place."""

from collections.abc import Mapping
from pathlib import Path

from tokengraft import atomic
from tokengraft.errors import RunFolderError
from tokengraft.exporting import Options, exporters
from tokengraft.exporting.card import write_card
from tokengraft.exporting.finished import Finished
from tokengraft.exporting.trial import Trial
from tokengraft.progress import task
from tokengraft.settings_values import build


def write_export(run: Path, out: Path, form: str, options: Mapping[str, object]) -> Path:
    """The folder `out`, filled.

    Raises:
        ConfigError: there is no such format or option.
        RunFolderError: the run is not finished, or `out` holds something already.
        ExportError: the format cannot hold this model, or what was written does not load as the run's model.
    """
    exporter, chosen = exporters.get(form), build(Options, options)
    finished = Finished.read(run)
    _refuse_taken(out)
    with atomic.folder(out) as place:
        with task(f"write {form}"):
            loading = exporter(finished, place, chosen)
        with task("load it in a fresh process"):
            outcome = Trial.of(finished, trust_remote_code=chosen.trust_remote_code).run(place, loading)
        write_card(finished, place, form, loading, outcome)
    return out


def _refuse_taken(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunFolderError(
            found=f"{out}, which holds something already",
            expected="a place for a new folder",
            do="choose another place with --out, or move what is there",
        )
