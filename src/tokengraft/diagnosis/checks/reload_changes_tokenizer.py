"""A tokenizer that is another one after loading."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokengraft import atomic
from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.checks.tokenizer_class_transformers_4 import BOTH, FILE
from tokengraft.diagnosis.finding import KEPT, Finding, error, warning
from tokengraft.tokenizer.file import TokenizerFile

PROBES = (
    "The quick brown fox jumps over 13 lazy dogs.",
    "  two spaces, a\ttab and\n\nlines 12345 67890",
    "def f(x):\n    return x_1 + 3.14159  # it's naïve",
    "snake_case CamelCase ALLCAPS don't I'll 1,000,000 €5",
    "Привет мир, 你好世界, नमस्ते, ñandú, 🙂🙃",
    "https://example.org/a?b=c&d=%20 <tag attr='v'>",
    "a" * 40 + " " * 12 + "b\r\nc",
)
SAMPLE = 500
"""Own entries that are tried."""


@check("reload-changes-tokenizer", needs=("files",), symptom="encoding differs between tokenizers and AutoTokenizer")
def reload_changes_tokenizer(case: Case) -> Iterator[Finding]:
    """`AutoTokenizer` encodes otherwise than the `tokenizer.json` that it loads."""
    assert case.vocabulary
    assert case.vocabulary.folder
    folder, file = case.vocabulary.folder, case.vocabulary.file
    if not file.config and not (folder / "config.json").is_file():
        return  # nothing says which class to build
    try:
        loaded = _load(folder)
    except Exception as refusal:  # classes refuse their files in their own ways
        yield error(
            f"AutoTokenizer does not load it: {str(refusal).partition(chr(10))[0]}",
            "tokenizers itself reads the file; what stands beside it stops transformers.",
            "set tokenizer_class in tokenizer_config.json to PreTrainedTokenizerFast",
        )
        return
    probes = [*PROBES, *_own_words(file)]
    own, theirs = file.encode(probes), loaded(probes, add_special_tokens=False)["input_ids"]
    differ = [place for place, pair in enumerate(zip(own, theirs, strict=True)) if pair[0] != pair[1]]
    if not differ:
        return
    text = probes[differ[0]]
    lengths = len(own[differ[0]]), len(theirs[differ[0]])
    legacy = file.config.get("legacy") is not None or "Llama" in type(loaded).__name__
    say = warning if legacy and file.document.get("normalizer") else error
    helps = _encodes_as_its_file(folder, file, probes, own)
    finding = say(
        f"{type(loaded).__name__} encodes {len(differ)} of {len(probes)} probes otherwise than tokenizer.json: "
        f"{text!r} {lengths[0]} → {lengths[1]} tokens",
        "Some classes build their own pre-tokenizer and drop what the file says; which class is built follows from "
        "model_type in config.json as well as from tokenizer_class.",
        f"set tokenizer_class in {FILE} to {BOTH}, with which AutoTokenizer encodes as the file says (--fix does so on "
        "a copy)"
        if helps
        else f"load it with {BOTH}.from_pretrained, which takes the file as it is: AutoTokenizer takes the class from "
        "model_type in config.json, whatever tokenizer_class says; or keep the base's pre-tokenizer",
        probes=[probes[place] for place in differ[:KEPT]],
        tokens_file=[len(own[place]) for place in differ[:KEPT]],
        tokens_loaded=[len(theirs[place]) for place in differ[:KEPT]],
        loaded_class=type(loaded).__name__,
    )
    yield finding.repairable() if helps else finding


@reload_changes_tokenizer.repaired_by
def take_the_file_as_it_is(case: Case, folder: Path) -> str | None:
    """Names the class that builds nothing of its own."""
    del case
    name_class(folder)
    return f"{FILE}: tokenizer_class = {BOTH}"


def name_class(folder: Path) -> None:
    """Writes the class into the tokenizer's settings."""
    file = folder / FILE
    settings = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    atomic.write_json(file, {**settings, "tokenizer_class": BOTH})


def _encodes_as_its_file(folder: Path, file: TokenizerFile, probes: list[str], own: list[list[int]]) -> bool:
    """Whether `AutoTokenizer` would, if the settings named the plain class: tried on a copy of the small files."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place)
        file.save(copy)
        if (folder / "config.json").is_file():
            shutil.copyfile(folder / "config.json", copy / "config.json")
        name_class(copy)
        return _load(copy)(probes, add_special_tokens=False)["input_ids"] == own


def _own_words(file: TokenizerFile) -> list[str]:
    """The texts of an even sample of the tokenizer's own entries, which no fixed sentence would hold."""
    entries = [number for number in range(file.size) if file.tokens[number] is not None]
    sample = entries[:: max(1, len(entries) // SAMPLE)]
    return [file.decode([number]) for number in sample]


def _load(folder: Any) -> Any:
    from transformers import AutoTokenizer  # noqa: PLC0415  slow, and only this check needs it

    return AutoTokenizer.from_pretrained(folder)
