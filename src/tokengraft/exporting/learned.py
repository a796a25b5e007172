"""What LoRA learned in a run, before it was folded in."""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from tokengraft.config import RunConfig
from tokengraft.config_phases import phases_of
from tokengraft.errors import ExportError
from tokengraft.exporting.finished import Finished
from tokengraft.model.tables import find_tables

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@dataclass(frozen=True, slots=True)
class Learned:
    """One adapter in the blocks, as PEFT saved it; without a folder: none."""

    folder: Path | None = None

    def wrapped(self, model: Any, new: list[int]) -> Any:
        """The grown model as PEFT's, with what was learned in the blocks and wrappers around the new rows of tables."""
        from peft import get_peft_model  # noqa: PLC0415 - takes a second

        with warnings.catch_warnings():  # peft 0.21 asks transformers 5.23 for a name that it is about to drop
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            found = get_peft_model(model, self._config(model, new))
        if self.folder is not None:
            _copy_blocks(load_file(self.folder / WEIGHTS), dict(found.named_parameters()))
        return found

    def _config(self, model: Any, new: list[int]) -> Any:
        from peft import LoraConfig, TrainableTokensConfig  # noqa: PLC0415

        tables = find_tables(model)
        wanted = [tables.embedding] if tables.tied else [tables.embedding, tables.head]
        names = [name for one in wanted for name, module in model.named_modules() if module is one]
        if self.folder is None:
            return TrainableTokensConfig(token_indices=new, target_modules=names)
        config: Any = LoraConfig.from_pretrained(str(self.folder))
        config.trainable_token_indices = {name.rpartition(".")[2]: new for name in names}
        config.inference_mode = False
        return config


def learned_adapter(finished: Finished) -> Learned | None:
    """The one adapter that the run folded in; None where it learned rows alone.

    Raises:
        ExportError: there are several, one is gone, or it holds whole tables.
    """
    phases = [phase for phase in phases_of(RunConfig.from_dict(dict(finished.settings))) if phase.phase == "lora"]
    if not phases:
        return None
    folder = finished.path / "adapters" / phases[0].label
    if len(phases) > 1:
        raise _refusal(f"{len(phases)} phases of LoRA, one folded into the other")
    if not (folder / CONFIG).is_file():
        raise _refusal(f"no {folder}")
    if json.loads((folder / CONFIG).read_text(encoding="utf-8")).get("modules_to_save"):
        raise _refusal("a phase lora with rows = modules-to-save, which moved old rows")
    return Learned(folder)


@torch.no_grad()
def _copy_blocks(stored: dict[str, Tensor], own: dict[str, Tensor]) -> None:
    """Copies what was learned in the blocks; PEFT's files leave out the adapter's name, which its modules have."""
    for name, value in stored.items():
        if ".lora_" in name:
            module, kind, rest = name.partition(".lora_")[0], *name.partition(".lora_")[2].split(".", 1)
            own[f"{module}.lora_{kind}.default.{rest}"].copy_(value)


def _refusal(found: str) -> ExportError:
    return ExportError(
        found=found,
        expected="new rows and at most one LoRA with rows = trainable-tokens or none",
        do="export it as hf or patch",
    )
