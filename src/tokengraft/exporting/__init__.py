"""What a run made, in the forms that others load: one file a format, each tried in a fresh process before it stays."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tokengraft.exporting.finished import Finished
from tokengraft.registry import Registry

__all__ = ["Exporter", "Finished", "Options", "export", "exporters"]


@dataclass(frozen=True, slots=True)
class Options:
    """What a format may be told."""

    max_shard_size: str | None = None
    """Largest weight file, such as "4GB"; None: as the run stored them."""
    trust_remote_code: bool = False


Exporter: TypeAlias = Callable[[Finished, Path, Options], str]
"""(run, empty folder to fill, options) → Python that loads `model` and `tokenizer` from `folder` and `base`.

That text is what the card shows, and what the check runs: nothing of tokengraft is needed unless the text imports it.
"""

exporters: Registry[Exporter] = Registry("export format", "tokengraft.exporting.formats")


def export(run: str | Path | object, out: str | Path, format: str = "hf", **options: object) -> Path:  # noqa: A002
    """Path of the folder that holds the model of a finished run in `format`; `options` are those of `Options`.

    A fresh process loads it the way that its card says, and must give the run's ids, logits and greedy text; where it
    does not, nothing is left behind.

    Raises:
        ConfigError: there is no such format or option.
        RunFolderError: the run is not finished, or `out` holds something already.
        ExportError: the format cannot hold this model, or what was written does not load as the run's model.
    """
    from tokengraft.exporting.write import write_export  # noqa: PLC0415 - needs torch, the registry does not

    given: Mapping[str, object] = options
    return write_export(Path(str(getattr(run, "path", run))), Path(out), format, given)
