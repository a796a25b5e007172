"""Where a tokenizer comes from: a folder, a file, the hub, or an object in memory. Each gives the same raw parts."""

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from tokengraft.errors import TokenizerError

CONFIG = "tokenizer_config.json"
DOCUMENT = "tokenizer.json"
COMPANIONS = (
    "special_tokens_map.json",
    "chat_template.jinja",
    "chat_template.json",
    "additional_chat_templates/*.jinja",
)
"""Files that belong to a tokenizer and hold no vocabulary: they are kept as they are."""

BINARIES = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model")
"""The same tokenizer for the SentencePiece library, where a folder has it."""

SLOW_FILES = (*BINARIES, "vocab.json", "vocab.txt", "merges.txt")

_HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


@dataclass(frozen=True, slots=True)
class RawTokenizer:
    """The parts as they were found, not yet looked at."""

    document: dict[str, Any]
    config: dict[str, Any] = field(default_factory=dict)
    companions: Mapping[str, str] = field(default_factory=dict)
    """Text of each companion file by its path in the folder."""
    binaries: Mapping[str, bytes] = field(default_factory=dict)
    """The `.model` files by their names."""
    name: str = "a tokenizer in memory"


def read_tokenizer(source: Any) -> RawTokenizer:
    """The raw parts of a tokenizer.

    `source` is a folder, a `tokenizer.json`, a hub id, or a loaded `tokenizers` or Hugging Face fast tokenizer.

    Raises:
        TokenizerError: nothing is there, only a slow tokenizer is there, or a file is not well-formed JSON.
    """
    if isinstance(source, str | Path):
        return _read_path(source)
    if isinstance(source, Tokenizer):
        return RawTokenizer(json.loads(source.to_str()))
    if getattr(source, "backend_tokenizer", None) is not None and hasattr(source, "save_pretrained"):
        return _read_loaded(source)
    raise TokenizerError(
        found=f"a {type(source).__name__} without a fast tokenizer inside",
        expected="a path, a hub id, a tokenizers.Tokenizer, or a Hugging Face tokenizer with a backend_tokenizer",
        do="load it through AutoTokenizer, which converts slow tokenizers where it can",
    )


def _read_path(source: str | Path) -> RawTokenizer:
    path = Path(source)
    if path.is_dir():
        return _read_folder(path, str(source))
    if path.is_file():
        return RawTokenizer(_read_json(path), name=str(source))
    if isinstance(source, str) and _HUB_ID.fullmatch(source):
        return _read_folder(_download(source), source)
    raise TokenizerError(
        found=f"nothing at {source}",
        expected="a folder with tokenizer.json, that file, or a hub id",
        do="check the path",
    )


def _read_folder(folder: Path, name: str) -> RawTokenizer:
    document = folder / DOCUMENT
    if not document.is_file():
        _refuse_folder(folder)
    config = folder / CONFIG
    companions = {path.relative_to(folder).as_posix(): _read_companion(path) for path in _companions_in(folder)}
    settings = _read_json(config) if config.is_file() else {}
    binaries = {path: (folder / path).read_bytes() for path in BINARIES if (folder / path).is_file()}
    return RawTokenizer(_read_json(document), settings, companions, binaries, name)


def _companions_in(folder: Path) -> list[Path]:
    return [path for pattern in COMPANIONS for path in sorted(folder.glob(pattern))]


def _read_companion(path: Path) -> str:
    if path.suffix == ".json":
        _read_json(path)
    return path.read_text(encoding="utf-8")


def _refuse_custom_code(folder: Path) -> None:
    """Raises where the folder's tokenizer is a program of its makers, which is not run here."""
    config = _read_json(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    code = (config.get("auto_map") or {}).get("AutoTokenizer")
    if code:
        raise TokenizerError(
            found=f"{folder}, whose tokenizer is custom code ({code}), without {DOCUMENT}",
            expected=f"a fast tokenizer, whose vocabulary and merges stand in {DOCUMENT}",
            do="look for a version of it with that file, or convert it by its makers' own code; no code is run here",
        )


def _refuse_folder(folder: Path) -> None:
    _refuse_custom_code(folder)
    slow = [name for name in SLOW_FILES if (folder / name).is_file()]
    if slow:
        raise TokenizerError(
            found=f"{folder} with {', '.join(slow)} but no {DOCUMENT}: a slow tokenizer only",
            expected=f"a fast tokenizer, whose vocabulary and merges stand in {DOCUMENT}",
            do=f"convert it: AutoTokenizer.from_pretrained({str(folder)!r}).save_pretrained(...)",
        )
    raise TokenizerError(
        found=f"{folder} without {DOCUMENT}", expected="a folder that holds a fast tokenizer", do="check the path"
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise TokenizerError(
            found=f"{path}: {error}", expected="well-formed JSON in UTF-8", do="fetch the file again"
        ) from error
    if not isinstance(value, dict):
        raise TokenizerError(
            found=f"{path} holds {type(value).__name__}", expected="a JSON object", do="check the path"
        )
    return value


def _download(name: str) -> Path:
    """Folder with the tokenizer's files of a hub repository, from the local cache where they are there."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415  only a hub id needs it

    try:
        return Path(snapshot_download(name, allow_patterns=[DOCUMENT, CONFIG, *COMPANIONS, *SLOW_FILES]))
    except (OSError, ValueError) as error:
        raise TokenizerError(
            found=f"no folder {name} here, and the hub does not give it: {str(error).strip().splitlines()[0]}",
            expected="a path, or a hub id that is cached or can be reached",
            do="check the spelling and the network, log in if it is gated, or download it and pass the folder",
        ) from error


def _read_loaded(tokenizer: Any) -> RawTokenizer:
    """What a loaded tokenizer would save: its own files say everything, also what was changed since it was loaded."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        return _read_folder(Path(folder), str(getattr(tokenizer, "name_or_path", "") or "a loaded tokenizer"))
