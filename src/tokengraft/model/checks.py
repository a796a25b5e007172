"""What can be known about a model before its weights are loaded, so that no long work is lost to it."""

import json
import os
import re
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoModelForCausalLM

from tokengraft.errors import ModelError

HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")

SHORTEST_CONTEXT = 16
"""Tokens; a window and what is predicted in it must find room."""

WHOLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
ANEW = "fetch the model anew"


def check_model(name: str) -> None:
    """Returns where `name` is a folder with settings and whole safetensors weights, or a name that may be on the hub.

    Raises:
        ModelError: the folder is missing, is no Hugging Face model, or holds no or broken safetensors weights.
    """
    path = Path(os.path.expanduser(name))
    if not os.path.exists(path):
        if HUB_ID.fullmatch(name):
            return
        raise ModelError(
            found=f"no folder {name}", expected="a Hugging Face model folder or a hub id", do="check --model"
        )
    if not (path / "config.json").is_file():
        raise ModelError(
            found=f"{path} without config.json", expected="a Hugging Face model folder", do="check --model"
        )
    settings = _read_object(path / "config.json", "the model's settings as JSON")
    if not list(path.glob("*.safetensors")):
        raise ModelError(
            found=f"{path} without *.safetensors",
            expected="weights in safetensors (other formats can run code when they are read)",
            do="convert the weights, for instance with model.save_pretrained(folder)",
        )
    for file in _weight_files(path, settings):
        _check_weights(file)


def check_fit(name: str, settings: Any, ids: int, *, trust_remote_code: bool = False) -> None:
    """Returns where the settings of a model, as `read_config` gives them, are those of a causal LM with `ids` rows.

    Raises:
        ModelError: transformers knows no causal LM for them, there are fewer rows, or the context is too short.
    """
    own_code = trust_remote_code and AutoModelForCausalLM.__name__ in (getattr(settings, "auto_map", None) or {})
    if not own_code and type(settings) not in AutoModelForCausalLM._model_mapping:
        raise ModelError(
            found=f"{name} of model type {settings.model_type}",
            expected="a causal language model (…ForCausalLM)",
            do="use a model that predicts the next token",
        )
    rows = getattr(settings.get_text_config(), "vocab_size", None)
    if rows is not None and ids > rows:
        raise ModelError(
            found=f"{ids} ids in the tokenizer and {rows} rows in the model's tables",
            expected="a row for every id",
            do="use the tokenizer that belongs to this model",
        )
    context = context_of(settings)
    if context is not None and context < SHORTEST_CONTEXT:
        raise ModelError(
            found=f"{name} with a context of {context} tokens",
            expected=f"{SHORTEST_CONTEXT} tokens at least",
            do="use a model that reads longer text",
        )


def read_config(name: str, *, trust_remote_code: bool = False) -> Any:
    """The model's settings as transformers reads them.

    Raises:
        ModelError: transformers cannot read them, or cannot get them.
    """
    try:
        return AutoConfig.from_pretrained(os.path.expanduser(name), trust_remote_code=trust_remote_code)
    except (
        Exception
    ) as error:  # each architecture checks its settings in its own way, and remote code may raise anything
        raise cannot_load(name, error) from error


def context_of(settings: Any) -> int | None:
    """Longest sequence in tokens that a model has positions for, as its settings say; None where they do not."""
    text = settings.get_text_config()
    # Some say 0 or −1 for "no limit".
    found = getattr(text, "max_position_embeddings", None) or getattr(text, "n_positions", None)
    return found if found and found > 0 else None


def cannot_load(name: str, error: Exception) -> ModelError:
    """What to say when transformers refuses a model: its first line."""
    local = os.path.exists(os.path.expanduser(name))
    return ModelError(
        found=f"{name}: {first_line(error)}",
        expected="a causal language model that transformers can load",
        do="check that the folder is whole, and that the installed transformers knows this model"
        if local
        else f"check the name: no folder {name} is here, so the hub must be reachable or the model in its cache",
    )


def first_line(error: Exception) -> str:
    """The first line of a message, with the second where the first ends in a colon; the error's name if it has none."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]


def _weight_files(folder: Path, settings: dict[str, Any]) -> list[Path]:
    """The files that transformers would read."""
    if settings.get("transformers_weights"):
        return []  # a name of its own: transformers checks it
    if (folder / WHOLE).is_file():
        return [folder / WHOLE]
    if not (folder / INDEX).is_file():
        raise ModelError(
            found=f"{folder} without {WHOLE} or {INDEX}",
            expected="weights under the name that transformers reads",
            do=ANEW,
        )
    shards = _read_object(folder / INDEX, "a list of weights by file").get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(shard, str) for shard in shards.values()):
        raise ModelError(found=f"{folder / INDEX} without weight_map", expected="a file for each weight", do=ANEW)
    missing = sorted({shard for shard in shards.values() if not (folder / shard).is_file()})
    if missing:
        raise ModelError(
            found=f"{folder} without {', '.join(missing[:3])}{', …' if len(missing) > 3 else ''}",
            expected=f"every file that {INDEX} names",
            do=ANEW,
        )
    return [folder / shard for shard in sorted(set(shards.values()))]


def _check_weights(file: Path) -> None:
    """Reads the header alone, which says how long the file must be."""
    try:
        with safe_open(file, framework="pt"):
            pass
    except (OSError, SafetensorError) as error:
        raise ModelError(found=f"{file}: {first_line(error)}", expected="a whole safetensors file", do=ANEW) from error


def _read_object(file: Path, expected: str) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(found=f"{file}: {first_line(error)}", expected=expected, do=ANEW) from error
    if not isinstance(value, dict):
        raise ModelError(found=f"{file} holds {type(value).__name__}", expected=expected, do=ANEW)
    return value
