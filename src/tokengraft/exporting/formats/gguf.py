"""A GGUF file for llama.cpp and what is built on it."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tokengraft.errors import ConfigError, ExportError
from tokengraft.exporting import Options, Written, exporters
from tokengraft.exporting.finished import Finished
from tokengraft.exporting.gguf_trial import ROUNDING, Made, attempt
from tokengraft.exporting.llama_cpp import checked_checkout, convert
from tokengraft.exporting.modelfile import write_modelfile
from tokengraft.model.stored import stored_dtype

NAME = "model.gguf"
TYPES = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}

LOADING = """llama-cli -m model.gguf -p "def " -n 32     # llama.cpp
ollama create my-model -f Modelfile         # Ollama, in this folder
ollama run my-model
"""


@exporters.register("gguf", needs=("llama_cpp",))
def gguf(finished: Finished, place: Path, options: Options) -> Written:
    """A GGUF file by the user's llama.cpp, the base's pre-tokenizer named, and a Modelfile for Ollama."""
    checkout = checked_checkout(options.llama_cpp)
    kind = _kind(finished, options)
    extension = finished.extension()
    if extension.base.document.get("pre_tokenizer") != extension.file.document.get("pre_tokenizer"):
        raise ExportError(
            found=f"tokens by {extension.method}, which split text by a pattern of their own",
            expected="the base's pre-tokenizer: llama.cpp knows a fixed list of them",
            do="choose tokens by a method that keeps it, such as continued-bpe, or export as hf",
        )
    _check_scores(finished, extension.base.document["model"])
    case = {
        "base": finished.base, "type": kind, "name": options.pre_tokenizer,
        "trust_remote_code": options.trust_remote_code,
    }  # fmt: skip
    name = convert(checkout, finished.model, place / NAME, case, extension.base.document)
    write_modelfile(finished, place, NAME)
    return Written(LOADING, language="sh", attempt=partial(attempt, Made(NAME, kind, name, checkout)))


def _check_scores(finished: Finished, tokenizer: Mapping[str, Any]) -> None:
    """llama.cpp merges a SentencePiece vocabulary by the scores of its `.model`; a tokenizer.json has none."""
    if tokenizer.get("byte_fallback") and not (finished.model / "tokenizer.model").is_file():
        raise ExportError(
            found="a SentencePiece tokenizer without its tokenizer.model",
            expected="that file: llama.cpp merges by the scores in it, and tokenizer.json has none",
            do="make the run again from a base folder that has tokenizer.model (its new tokens are written into it), "
            "or export as hf",
        )


def _kind(finished: Finished, options: Options) -> str:
    if options.gguf_type == "auto":
        return TYPES.get(stored_dtype(str(finished.model)), "f32")
    if options.gguf_type not in ROUNDING:
        raise ConfigError(
            found=f"gguf_type {options.gguf_type!r}",
            expected=f"auto, {', '.join(ROUNDING)}",
            do="choose one of these; llama-quantize of llama.cpp makes smaller ones out of f32 or bf16",
        )
    return options.gguf_type
