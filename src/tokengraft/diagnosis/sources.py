"""Where the parts of a model come from: a folder, the hub, or memory. Nothing is loaded whole."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from huggingface_hub import snapshot_download
from torch import nn
from transformers import AutoModelForCausalLM

from tokengraft.diagnosis.adapter import SETTINGS as ADAPTER_SETTINGS
from tokengraft.diagnosis.tables import Tables
from tokengraft.diagnosis.weights import LoadedWeights, StoredWeights
from tokengraft.errors import ModelError
from tokengraft.model.checks import cannot_load, check_model, read_config

FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
SMALL_BYTES = 2**30
"""Stored weights up to this size are loaded for the checks that need a forward pass, without being asked."""
INPUTS = ("embed_tokens", "wte", "embed_in", "word_embeddings", "tok_embeddings", "embedding")
HEADS = ("lm_head", "embed_out", "output_layer", "output", "decoder")
"""What checkpoints call the two tables."""


class Source(Protocol):
    """What the checks ask of a model."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def folder(self) -> Path | None: ...  # noqa: D102
    def settings(self) -> Any: ...  # noqa: D102
    def generation(self) -> dict[str, Any]: ...  # noqa: D102
    def tables(self) -> Tables: ...  # noqa: D102
    def stored_bytes(self) -> int: ...  # noqa: D102
    def load(self) -> Any: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A model in files."""

    name: str
    folder: Path

    def settings(self) -> Any:
        """`config.json` as transformers reads it."""
        return read_config(str(self.folder))

    def generation(self) -> dict[str, Any]:
        """`generation_config.json`; empty where there is none."""
        file = self.folder / "generation_config.json"
        return read_json(file) if file.is_file() else {}

    def tables(self) -> Tables:
        """The tables in the safetensors files, under the names that the architecture has for them."""
        weights = StoredWeights(self._files())
        first, second, tied = table_names(self.name, self.settings())
        found = [match(weights.names, name) for name in (first, second)]
        found = [name or match_any(weights.names, others) for name, others in zip(found, (INPUTS, HEADS), strict=True)]
        if found[0] is None and tied:
            found = [found[1], None]
        if found[0] is None:
            raise ModelError(
                found=f"{self.name} without the weight {first}",
                expected="the input embedding among the stored weights",
                do="fetch the model anew, or save it again",
            )
        return Tables(weights, found[0], found[1], tied, shared=tied and found[1] is None)

    def stored_bytes(self) -> int:
        """Size of the weights on disk."""
        return sum(file.stat().st_size for file in self._files())

    def load(self) -> Any:
        """The whole model, in float32 on the CPU.

        Raises:
            ModelError: transformers refuses it.
        """
        try:
            model = AutoModelForCausalLM.from_pretrained(self.folder, dtype=torch.float32, use_safetensors=True)
        except Exception as error:  # each architecture refuses in its own way
            raise cannot_load(self.name, error) from error
        return model.eval()

    def _files(self) -> list[Path]:
        return sorted(file for file in self.folder.glob("*.safetensors") if not file.name.startswith("adapter_"))


@dataclass(frozen=True, slots=True)
class LoadedSource:
    """A model in memory."""

    name: str
    model: Any
    folder: None = None

    def settings(self) -> Any:
        """Its configuration."""
        return self.model.config

    def generation(self) -> dict[str, Any]:
        """Its generation configuration."""
        found = getattr(self.model, "generation_config", None)
        return found.to_dict() if found is not None else {}

    def tables(self) -> Tables:
        """Its tables, without the wrappers that adapters put around them."""
        model = self.model
        embedding, head = unwrapped(model.get_input_embeddings()), unwrapped(model.get_output_embeddings())
        if embedding is None or head is None:
            raise ModelError(
                found=f"{type(model).__name__} without {'an input embedding' if embedding is None else 'a head'}",
                expected="a causal language model (…ForCausalLM)",
                do="load the model with AutoModelForCausalLM",
            )
        parameters = dict(model.named_parameters(remove_duplicate=False))
        first, second = (_name_of(parameters, module.weight) for module in (embedding, head))
        shared = embedding.weight is head.weight or embedding.weight.data_ptr() == head.weight.data_ptr()
        tied = bool(getattr(model.config.get_text_config(), "tie_word_embeddings", False))
        return Tables(LoadedWeights(parameters), first, second, tied, shared=shared)

    def stored_bytes(self) -> int:
        """0: it is loaded already."""
        return 0

    def load(self) -> Any:
        """The model itself."""
        return self.model


def source_of(model: Any) -> Source:
    """The source for a path, a hub id, or a loaded model.

    Raises:
        ModelError: the folder is missing, is no model, or is an adapter without its base.
    """
    if isinstance(model, nn.Module):
        base: Any = getattr(model, "get_base_model", lambda: model)()
        return LoadedSource(str(getattr(model, "name_or_path", "") or type(base).__name__), base)
    if not isinstance(model, str | os.PathLike):
        raise ModelError(
            found=f"a {type(model).__name__}", expected="a path, a hub id or a loaded model", do="pass one of these"
        )
    name = os.path.expanduser(os.fspath(model))
    _refuse_adapter(Path(name))
    check_model(name)
    if os.path.isdir(name):
        return FolderSource(os.fspath(model), Path(name))
    try:
        return FolderSource(name, Path(snapshot_download(name, allow_patterns=FILES)))
    except Exception as error:  # the hub client's errors have no common root
        raise cannot_load(name, error) from error


def _refuse_adapter(folder: Path) -> None:
    if (folder / ADAPTER_SETTINGS).is_file() and not (folder / "config.json").is_file():
        base = read_json(folder / ADAPTER_SETTINGS).get("base_model_name_or_path")
        raise ModelError(
            found=f"{folder}: an adapter without its base",
            expected="the base model, with the adapter beside it",
            do=f"tokengraft doctor {base or 'BASE'} --adapter {folder}",
        )


def table_names(name: str, settings: Any) -> tuple[str, str, bool]:
    """Names of the input embedding and of the head, and whether the settings tie them; no weight is made.

    Raises:
        ModelError: transformers has no causal language model for these settings.
    """
    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(settings)
        modules = dict(model.named_modules())
        tables = (model.get_input_embeddings(), model.get_output_embeddings())
        first, second = (next(path for path, module in modules.items() if module is table) for table in tables)
    except Exception as error:  # each architecture refuses in its own way
        raise cannot_load(name, error) from error
    tied = bool(getattr(settings.get_text_config(), "tie_word_embeddings", False))
    return f"{first}.weight", f"{second}.weight", tied


def match(names: frozenset[str], wanted: str) -> str | None:
    """The stored name of a weight: its own, or its own without leading parts, as older checkpoints have it.

    >>> match(frozenset({"wte.weight"}), "transformer.wte.weight")
    'wte.weight'
    """
    parts = wanted.split(".")
    for start in range(len(parts) - 1):
        name = ".".join(parts[start:])
        if name in names:
            return name
    return next((name for name in sorted(names) if name.endswith(f".{wanted}")), None)


def match_any(names: frozenset[str], endings: tuple[str, ...]) -> str | None:
    """The first stored weight with one of these endings: versions rename modules, files keep the old names."""
    return next((found for ending in endings if (found := match(names, f"{ending}.weight"))), None)


def unwrapped(module: Any) -> Any:
    """The module itself, without the wrappers that adapters put around it."""
    while module is not None and not isinstance(getattr(module, "weight", None), torch.Tensor):
        module = getattr(module, "base_layer", None) or getattr(module, "original_module", None)
    return getattr(module, "base_layer", module)


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ModelError: the file holds none.
    """
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(found=f"{file}: {error}", expected="a JSON object", do="fetch the model anew") from error
    if not isinstance(value, dict):
        raise ModelError(found=f"{file}: a {type(value).__name__}", expected="a JSON object", do="fetch it anew")
    return value


def _name_of(parameters: dict[str, Any], weight: Any) -> str:
    return next(name for name, parameter in parameters.items() if parameter is weight)
