"""A model on its way through the phases: all its weights in one file, with the names of the parts that are done."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from tokengraft import atomic
from tokengraft.errors import RunFolderError

Done = dict[str, dict[str, Any]]
"""Facts of each finished part, by its name."""


def save_state(path: Path, model: Any, done: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes the weights as they are, and what they have been through: both or neither."""
    tensors = {name: parameter.detach().contiguous() for name, parameter in model.named_parameters()}
    atomic.write_with(path, lambda temporary: save_file(tensors, temporary, {"done": json.dumps(done)}))


@torch.no_grad()
def load_state(path: Path, model: Any) -> Done:
    """Facts of the parts that the weights have been through, which the model now has; empty where there is no file.

    Raises:
        RunFolderError: the file cannot be read, or belongs to another model.
    """
    if not path.exists():
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            done = json.loads(file.metadata()["done"])
            names = set(file.keys())
            parameters = dict(model.named_parameters())
            if names != parameters.keys():
                raise ValueError(f"it lacks or adds {sorted(names ^ parameters.keys())[0]}")
            for name, parameter in parameters.items():
                value = file.get_tensor(name)
                if value.shape != parameter.shape:
                    raise ValueError(f"{name} is {tuple(value.shape)} and not {tuple(parameter.shape)}")
                parameter.copy_(value)
    except (OSError, KeyError, ValueError, TypeError, SafetensorError) as error:
        raise RunFolderError(
            found=f"{path} cannot be taken up: {error}",
            expected="the weights that this run had after a phase",
            do="choose another place with --out to begin anew",
        ) from error
    return done
