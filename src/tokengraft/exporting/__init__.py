"""What a run made, in the forms that others load: one file a format, each tried in a fresh process before it stays."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from tokengraft.errors import ConfigError
from tokengraft.exporting.finished import Finished
from tokengraft.registry import Registry

if TYPE_CHECKING:
    from tokengraft.exporting.trial import Outcome, Trial

__all__ = ["Exporter", "Finished", "Options", "Written", "export", "exporters"]


@dataclass(frozen=True, slots=True)
class Options:
    """What a format may be told; each option names the formats that listen to it."""

    max_shard_size: str | None = field(default=None, metadata={"formats": ("hf",)})
    """Largest weight file, such as "4GB"; None: as the run stored them."""
    llama_cpp: str | None = field(default=None, metadata={"formats": ("gguf",)})
    """Folder of a llama.cpp checkout, whose converter is run."""
    pre_tokenizer: str | None = field(default=None, metadata={"formats": ("gguf",)})
    """llama.cpp's name for how the base splits text; None: what the converter knows the base's tokenizer by."""
    gguf_type: str = field(default="auto", metadata={"formats": ("gguf",)})
    """f32, f16, bf16 or q8_0; auto: the dtype that the base is stored in."""
    trust_remote_code: bool = False

    def refuse_unheard(self, form: str) -> None:
        """Returns where each option that was given is one of the format's.

        Raises:
            ConfigError: an option was given that another format alone listens to.
        """
        for entry in fields(self):
            formats = entry.metadata.get("formats", (form,))
            if form not in formats and getattr(self, entry.name) != entry.default:
                raise ConfigError(
                    found=f"{entry.name} = {getattr(self, entry.name)!r} for the format {form}",
                    expected=f"{entry.name} for {' or '.join(formats)} alone",
                    do="leave it out, or choose another format",
                )


@dataclass(frozen=True, slots=True)
class Written:
    """What an exporter says of the folder that it filled."""

    loading: str
    """How it is loaded, as the card shows it. Where there is no `attempt`, the check runs this text as Python: it must
    make `model` and `tokenizer` from `folder` and `base`, and needs nothing of tokengraft unless it imports it."""
    language: str = "python"
    check: str = ""
    """Further lines that the check runs after `loading`."""
    checked: str = ""
    """What they do, in words for the card."""
    attempt: "Callable[[Trial, Path], Outcome] | None" = None
    """How what is no model of transformers is compared with the run; raises ExportError where it is not the same."""


Exporter: TypeAlias = Callable[[Finished, Path, Options], Written]
"""(run, empty folder to fill, options) → how the folder is loaded and tried."""

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
    from tokengraft.exporting.write import write_and_try  # noqa: PLC0415 - needs torch, the registry does not

    given: Mapping[str, object] = options
    return write_and_try(Path(str(getattr(run, "path", run))), Path(out), format, given).path
