"""Settings in a file, as plain values: YAML or TOML."""

import tomllib
from pathlib import Path
from typing import Any

import yaml

from tokengraft.errors import ConfigError


def read_settings(path: Path) -> dict[str, Any]:
    """The mapping in a YAML or TOML file.

    Raises:
        ConfigError: the file is missing, of another kind, or not well formed.
    """
    readers = {".yaml": _read_yaml, ".yml": _read_yaml, ".toml": tomllib.loads}
    if path.suffix not in readers:
        raise ConfigError(
            found=f"configuration {path}", expected="a .yaml, .yml or .toml file", do="rename or convert it"
        )
    try:
        settings = readers[path.suffix](_read(path))
    except (yaml.YAMLError, ValueError) as error:  # a date that is none is a plain ValueError
        raise ConfigError(
            found=f"{path}: {error}", expected=f"well-formed {path.suffix[1:].upper()}", do="mend that place"
        ) from error
    if not isinstance(settings, dict):
        raise ConfigError(
            found=f"{path} holds {type(settings).__name__}", expected="settings by name", do="write `name: value` lines"
        )
    return settings


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(found=f"{path}: {error.strerror}", expected="a readable file", do="check the path") from error
    except UnicodeDecodeError as error:
        raise ConfigError(found=f"{path} is not UTF-8", expected="a text file", do="check the path") from error


def _read_yaml(text: str) -> Any:
    return yaml.safe_load(text) or {}
