"""An adapter's folder: its base gets the tokens, and the adapter is written beside it, pointing to the new base."""

import json
import shutil
from pathlib import Path
from typing import Any

from tokengraft import atomic
from tokengraft.errors import ModelError

ADAPTER = "adapter_config.json"
BASE = "base"
"""Folder of the new base inside the new adapter's."""


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter and no model of its own."""
    return (folder / ADAPTER).is_file() and not (folder / "config.json").is_file()


def base_of(folder: Path) -> Path:
    """Folder of the model that the adapter in `folder` belongs to.

    Raises:
        ModelError: the adapter names none, or it is not here; or the adapter holds rows of the tables.
    """
    settings = json.loads((folder / ADAPTER).read_text(encoding="utf-8"))
    _refuse_rows(folder, settings)
    name = settings.get("base_model_name_or_path")
    for path in (Path(str(name)).expanduser(), folder / str(name)):
        if name and (path / "config.json").is_file():
            return path
    raise ModelError(
        found=f"the adapter {folder} of {name or 'no model that it names'}, which is not here",
        expected="an adapter whose base is a folder",
        do=f"put the base there, or write its folder into base_model_name_or_path of {folder / ADAPTER}",
    )


def write_beside(adapter: Path, place: Path, final: Path) -> None:
    """Fills `place`, which holds the new base already, with the adapter; `final` is where `place` will be."""
    for path in adapter.iterdir():
        if path.is_file() and path.name != ADAPTER:
            shutil.copyfile(path, place / path.name)
    for path in (place / BASE).iterdir():
        if path.name.startswith(("tokenizer", "special_tokens", "chat_template")):
            shutil.copyfile(path, place / path.name)
    settings = json.loads((adapter / ADAPTER).read_text(encoding="utf-8"))
    atomic.write_json(place / ADAPTER, {**settings, "base_model_name_or_path": str(final / BASE)})


def _refuse_rows(folder: Path, settings: dict[str, Any]) -> None:
    names = {"embed_tokens", "lm_head", "wte", "embed_in", "embed_out"}
    targets = settings.get("target_modules") or ()
    held = {*(settings.get("modules_to_save") or ()), *([targets] if isinstance(targets, str) else targets)} & names
    if held or settings.get("trainable_token_indices"):
        what = ", ".join(sorted(held)) or "trainable_token_indices"
        raise ModelError(
            found=f"the adapter {folder}, which holds rows of the tables ({what})",
            expected="an adapter of other layers, whose tables are the base's",
            do="merge it into its base first (merge_and_unload), and add the tokens to the result",
        )
