"""Running the converter of a llama.cpp checkout, with the pre-tokenizer named instead of guessed.

The converter knows a byte-level tokenizer by a hash of what it makes of one text. New merges change what it makes of
it, so the hash is unknown or, worse, another's. How text is split before merging is the base's, and so is its name.
"""

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokengraft.errors import ExportError
from tokengraft.exporting.trial import last_line, run_python

CONVERTER = "convert_hf_to_gguf.py"
LIBRARY = "gguf-py"
UNKNOWN = "unknown pre-tokenizer"

PROGRAM = """
import importlib.util, json, sys
from pathlib import Path

case, said = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2])
checkout = Path(case["checkout"])
sys.path[:0] = [str(checkout), str(checkout / "gguf-py")]
spec = importlib.util.spec_from_file_location("convert_hf_to_gguf", checkout / "convert_hf_to_gguf.py")
converter = importlib.util.module_from_spec(spec)
sys.modules["convert_hf_to_gguf"] = converter
spec.loader.exec_module(converter)

METHOD = "get_vocab_base_pre"
modules = [m for name, m in list(sys.modules.items()) if name.partition(".")[0] in ("convert_hf_to_gguf", "conversion")]
kinds = {kind for m in modules for kind in vars(m).values() if isinstance(kind, type) and METHOD in vars(kind)}
asking = [kind for kind in kinds if not any(METHOD in vars(above) for above in kind.__mro__[1:])]
if not asking:
    sys.exit(f"no class of the converter has {METHOD}")
names = []

def named(ask):
    def answer(self, tokenizer):
        name = case["name"]
        if name is None:
            from transformers import AutoTokenizer
            base = AutoTokenizer.from_pretrained(case["base"], trust_remote_code=case["trust_remote_code"])
            try:
                name = ask(self, base)
            except NotImplementedError:
                sys.exit("unknown pre-tokenizer")
        names.append(name)
        return name
    return answer

for kind in asking:
    setattr(kind, METHOD, named(getattr(kind, METHOD)))
sys.argv = ["convert_hf_to_gguf.py", case["model"], "--outfile", case["out"], "--outtype", case["type"]]
converter.main()
said.write_text(json.dumps(names), encoding="utf-8")
"""
"""Asks for the base's tokenizer where the converter would hash the extended one, or gives the name that was said."""

PATTERNS = {
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+": "gpt-2",
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
    "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+": "llama-bpe",
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
    "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+": "qwen2",
}
"""Split patterns of well-known tokenizers and llama.cpp's names for them: only for the advice in a message."""


def checked_checkout(given: str | None) -> Path:
    """The folder of a llama.cpp checkout.

    Raises:
        ExportError: none was given, or the folder is none.
    """
    advice = "git clone https://github.com/ggml-org/llama.cpp, then give that folder with --llama-cpp"
    if given is None:
        raise ExportError(found="no --llama-cpp", expected="the folder of a llama.cpp checkout", do=advice)
    checkout = Path(given).expanduser().resolve()
    missing = [name for name in (CONVERTER, LIBRARY) if not (checkout / name).exists()]
    if missing:
        raise ExportError(
            found=f"{given} without {missing[0]}",
            expected=f"a llama.cpp checkout, with {CONVERTER} and {LIBRARY}/",
            do=advice,
        )
    return checkout


def convert(checkout: Path, model: Path, out: Path, case: Mapping[str, Any], document: Mapping[str, Any]) -> str | None:
    """Name of the pre-tokenizer that went into the GGUF file `out`; None where the vocabulary has none (SentencePiece).

    `case` names the `base`, the `type` of the weights and the `name` of the pre-tokenizer, if one was said; `document`
    is the base's tokenizer.json.

    Raises:
        ExportError: the base's pre-tokenizer is not known, or the converter failed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        given, said = Path(scratch, "case.json"), Path(scratch, "names.json")
        paths = {"checkout": str(checkout), "model": str(model.resolve()), "out": str(out.resolve())}
        given.write_text(json.dumps({**case, **paths}), encoding="utf-8")
        done = run_python(PROGRAM, str(given), str(said))
        if last_line(done) == UNKNOWN:
            raise _unknown(document)
        if done.returncode or not said.is_file() or not out.is_file():
            raise ExportError(
                found=f"a converter that ended with {done.returncode}: {last_line(done)[:300]}",
                expected=f"a GGUF file from {checkout / CONVERTER}",
                do=f"see that `{sys.executable} {CONVERTER} --help` runs there, and that it knows this architecture",
            )
        names = json.loads(said.read_text(encoding="utf-8"))
    return names[-1] if names else None


def _unknown(document: Mapping[str, Any]) -> ExportError:
    patterns = [pattern for node in _nodes(document.get("pre_tokenizer")) if (pattern := _pattern(node))]
    close = next((PATTERNS[pattern] for pattern in patterns if pattern in PATTERNS), None)
    advice = f"its split pattern is that of {close}: try --pre-tokenizer {close}" if close else (
        "name the one that splits text alike with --pre-tokenizer, such as llama-bpe, qwen2 or gpt-2"
    )  # fmt: skip
    return ExportError(
        found="a base tokenizer that this llama.cpp does not know",
        expected="a pre-tokenizer that it can be told by name: it decides how text is split",
        do=advice,
    )


def _nodes(node: Any) -> list[Mapping[str, Any]]:
    if not node:
        return []
    inner = node.get("pretokenizers")
    return [each for part in inner for each in _nodes(part)] if inner else [node]


def _pattern(node: Mapping[str, Any]) -> str | None:
    if node["type"] == "ByteLevel" and node.get("use_regex", True):
        return next(iter(PATTERNS))
    return (node.get("pattern") or {}).get("Regex")
