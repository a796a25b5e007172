"""Loading what a run made, whatever form it is in."""

import json
import tempfile
from pathlib import Path
from typing import Any

from tokengraft.errors import ExportError
from tokengraft.exporting.patch import NAME, apply_patch, base_of
from tokengraft.model.load import load_model
from tokengraft.phases.merging import fingerprint

RECORD = "tokengraft_rows.json"
"""Stands in an exported adapter: how many rows the base must grow to, and what tells that base from others."""


def load(
    source: str | Path, base: str | None = None, *, merge: bool = False, dtype: str = "auto", device: str = "auto",
    trust_remote_code: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """(model, tokenizer) of a run, an export or a hub id; an adapter or a patch is laid on the untouched `base`.

    `base` is a folder or hub id; without it an adapter and a patch use the one that they name. `merge` folds an adapter
    into plain weights; otherwise the model is PEFT's and can be trained on. The model is in evaluation mode.

    Raises:
        ExportError: an adapter or a patch is for another base, or the adapter was not exported by tokengraft.
        ModelError: a model cannot be loaded.
        DeviceError: the device or dtype is not to be had here.
    """
    from transformers import AutoTokenizer  # noqa: PLC0415 - two seconds

    given = {"dtype": dtype, "device": device, "trust_remote_code": trust_remote_code}
    place = Path(source).expanduser()
    if (place / "run.json").is_file():
        place = place / "model"
    if place.name == NAME or (place / NAME).is_file():
        with tempfile.TemporaryDirectory() as scratch:
            return load(apply_patch(place, base or base_of(place), Path(scratch, "model")), **given)
    name = str(place) if place.exists() else str(source)
    tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=trust_remote_code)
    if (place / "adapter_config.json").is_file():
        return _adapted(place, base, merge=merge, **given), tokenizer
    return load_model(name, **given), tokenizer


def _adapted(place: Path, base: str | None, *, merge: bool, **given: Any) -> Any:
    from peft import PeftModel  # noqa: PLC0415

    config = json.loads((place / "adapter_config.json").read_text(encoding="utf-8"))
    if not (place / RECORD).is_file():
        raise ExportError(
            found=f"an adapter without {RECORD}",
            expected="a folder that export --format adapter wrote",
            do="load it with peft's own PeftModel.from_pretrained",
        )
    record = json.loads((place / RECORD).read_text(encoding="utf-8"))
    name = base or config["base_model_name_or_path"]
    model = load_model(name, **given)
    if fingerprint(model) != record["base"]:
        raise ExportError(
            found=f"{name}, whose weights are not those that the adapter was made for",
            expected="the untouched base",
            do="give the base that the run began with",
        )
    model.resize_token_embeddings(record["rows"], mean_resizing=False)
    wrapped = PeftModel.from_pretrained(model, str(place))
    return (wrapped.merge_and_unload() if merge else wrapped).eval()
