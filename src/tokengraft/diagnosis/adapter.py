"""A PEFT adapter: its settings, and its tensors by name and shape."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokengraft.diagnosis.training import is_table
from tokengraft.diagnosis.weights import LoadedWeights, StoredWeights, Weights
from tokengraft.errors import ModelError

SETTINGS = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter."""

    name: str
    settings: dict[str, Any]
    weights: Weights

    def table_weights(self) -> list[str]:
        """Names of the tensors that belong to a table."""
        return sorted(name for name in self.weights.names if any(is_table(part) for part in name.split(".")))

    def whole_tables(self) -> list[str]:
        """Names of the tensors that take the place of a whole table."""
        return [
            name
            for name in self.table_weights()
            if name.endswith(".weight") and "lora_" not in name and "trainable_tokens" not in name
        ]

    def lora_on_tables(self) -> list[str]:
        """Names of the low-rank tensors on a table."""
        return [name for name in self.table_weights() if "lora_" in name]

    def token_rows(self) -> list[str]:
        """Names of the tensors that hold single rows of a table."""
        return [name for name in self.table_weights() if "trainable_tokens" in name]


def read_adapter(source: Any) -> Adapter:
    """The adapter in a folder.

    Raises:
        ModelError: the folder is no adapter of PEFT in safetensors.
    """
    folder = Path(source).expanduser()
    for name, what in ((SETTINGS, "an adapter that PEFT saved"), (WEIGHTS, "its weights in safetensors")):
        if not (folder / name).is_file():
            raise ModelError(
                found=f"{folder} without {name}" if folder.is_dir() else f"no folder {folder}",
                expected=what,
                do="check --adapter, or save the adapter again with save_pretrained",
            )
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(found=f"{folder / SETTINGS}: {error}", expected="JSON", do="save the adapter again") from error
    return Adapter(str(source), settings, StoredWeights([folder / WEIGHTS]))


def adapter_of(model: Any) -> Adapter | None:
    """The active adapter of a loaded PEFT model; None for any other model."""
    settings = getattr(model, "peft_config", None)
    if not settings or not hasattr(model, "get_base_model"):
        return None
    from peft import get_peft_model_state_dict  # noqa: PLC0415  only such a model needs it

    name = next(iter(settings))
    held = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
    return Adapter(f"adapter {name!r}", settings[name].to_dict(), LoadedWeights(held))
