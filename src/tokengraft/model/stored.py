"""The dtype that a model's weights are really stored in, read from the files and not from the settings beside them."""

from collections.abc import Iterator
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from safetensors import safe_open

from tokengraft.errors import DeviceError

STORED = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16, "F64": torch.float64}


def stored_dtype(name: str) -> torch.dtype:
    """The narrowest dtype that holds every weight of the model as it is stored; `name` is a folder or a loaded hub id.

    `config.json` is not asked: a float32 checkpoint whose settings say bfloat16 would be rounded when it is written.
    """
    found = {dtype for dtype in _dtypes(name) if dtype is not None}
    return found.pop() if len(found) == 1 else torch.float32


def refuse_narrower(name: str, loaded: torch.dtype) -> None:
    """Returns where weights loaded in `loaded` are still the stored ones, bit for bit.

    Raises:
        DeviceError: loading rounded them, so the extended model would not have the base's old rows.
    """
    stored = stored_dtype(name)
    if torch.promote_types(stored, loaded) != loaded:
        raise DeviceError(
            found=f"weights stored in {stored} and asked for in {loaded}".replace("torch.", ""),
            expected="a dtype that holds every old weight as it is",
            do=f"set dtype to {stored} or float32".replace("torch.", ""),
        )


def _dtypes(name: str) -> Iterator[torch.dtype | None]:
    folder = Path(name)
    if not folder.is_dir():
        folder = Path(snapshot_download(name, allow_patterns=["*.safetensors"], local_files_only=True))
    for shard in sorted(folder.glob("*.safetensors")):
        with safe_open(shard, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118 (no mapping)
                yield STORED.get(file.get_slice(key).get_dtype())
