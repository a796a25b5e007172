"""Python source files that are on every machine: what the bundled model was trained on, and the demo's domain.

Two bodies of text with a real shift between them. *General* is the standard library of the running interpreter, the
only text that the bundled model has seen. *Domain* is the source of `transformers` (modelling files) and of `torch`,
installed beside us and never shown to it. General text is split by file, by a hash of the relative path, so that a file
is held out on every machine and under every version.
"""

import hashlib
import re
import sysconfig
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

GENERAL_EXCLUDED = ("site-packages", "dist-packages", "encodings", "pydoc_data", "__pycache__")
"""Parts of the standard library's folder left out: not the library, or tables of code points rather than code."""

HELDOUT_PERCENT = 4

CHOICE_PERCENT = 2
"""Of these, the part that settings may be chosen on; figures are reported on the rest."""

BANNER = re.compile(r"\A#\s*🚨+\n(?:#.*\n)*?#\s*🚨+\n")
"""What stands at the top of modelling files that are generated: the same lines in hundreds of documents."""


def path_bucket(name: str) -> int:
    """Number from 0 to 99 that depends on `name` alone, the same on every machine.

    >>> path_bucket("json/decoder.py") == path_bucket("json/decoder.py")
    True
    """
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % 100


def general_texts(*, heldout: bool) -> Iterator[tuple[str, str]]:
    """(relative path, text) of each standard-library file on the asked side of the split, in the order of their paths.

    Files that are not UTF-8 (the interpreter's own tests of encodings) are passed over.
    """
    root = Path(sysconfig.get_paths()["stdlib"])
    for name, text in _python_files(root, GENERAL_EXCLUDED):
        if (path_bucket(name) < HELDOUT_PERCENT) == heldout:
            yield name, text


def heldout_texts(*, reported: bool) -> Iterator[tuple[str, str]]:
    """The held-out files that figures are reported on, or the others, which settings may be chosen on."""
    for name, text in general_texts(heldout=True):
        if (path_bucket(name) >= CHOICE_PERCENT) == reported:
            yield name, text


def domain_texts() -> Iterator[tuple[str, str]]:
    """(relative path, text) of the demo's domain: transformers' modelling files and torch's Python source.

    Left out are torch's tests, and its compiler and exporter, whose files are another kind of text than a model's.
    """
    for package, pattern, excluded in (
        ("transformers", "models/*/modeling_*.py", ()),
        ("torch", "**/*.py", ("testing", "_inductor", "_dynamo", "onnx", "__pycache__")),
    ):
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            continue
        root = Path(spec.submodule_search_locations[0])
        for name, text in _python_files(root, excluded, pattern):
            yield f"{package}/{name}", BANNER.sub("", text)


def _python_files(root: Path, excluded: tuple[str, ...], pattern: str = "**/*.py") -> Iterator[tuple[str, str]]:
    for path in sorted(root.glob(pattern)):
        relative = path.relative_to(root)
        if any(part in excluded for part in relative.parts) or not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if text.strip():
            yield relative.as_posix(), text
