"""What is in a GGUF file, read back with the checkout's own library, and what llama.cpp itself makes of it."""

import json
import tempfile
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from tokengraft.exporting.llama_cpp import LIBRARY
from tokengraft.exporting.trial import Outcome, Trial, last_line, mismatch, run_python
from tokengraft.model.load import load_model
from tokengraft.model.tables import find_tables

READ = """
import json, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from gguf import GGUFReader, dequantize
from safetensors.numpy import load_file, save_file

reader = GGUFReader(sys.argv[2])

def texts(name):
    field = reader.fields.get(name)
    return None if field is None else [bytes(field.parts[place]).decode("utf-8") for place in field.data]

ids = load_file(sys.argv[3])["ids"]
found = {}
for tensor in reader.tensors:
    if tensor.name in ("token_embd.weight", "output.weight"):
        found[tensor.name] = np.ascontiguousarray(dequantize(tensor.data[ids], tensor.tensor_type), dtype=np.float32)
save_file(found, sys.argv[4])
names = {name: texts(f"tokenizer.ggml.{name}") for name in ("model", "pre", "tokens", "merges")}
open(sys.argv[5], "w", encoding="utf-8").write(json.dumps(names))
"""
"""Writes the rows of these ids in both tables, and the tokenizer's entries, as the GGUF file has them."""

ASK = """
import json, sys
import numpy as np
from llama_cpp import GGML_TYPE_F32, Llama
from safetensors.numpy import save_file

case = json.loads(open(sys.argv[1], encoding="utf-8").read())
llama = Llama(case["file"], n_ctx=case["context"], n_threads=1, logits_all=True, verbose=False,
              type_k=GGML_TYPE_F32, type_v=GGML_TYPE_F32)
ids = [llama.tokenize(text.encode("utf-8"), add_bos=False, special=True) for text in case["lines"]]
found = {}

def read(row):
    llama.reset()
    llama.eval(row)
    return np.array(llama.scores[: len(row)], dtype=np.float32)

for number, row in enumerate(case["read"]):
    found[f"logits{number}"] = read(row)
for number, row in enumerate(case["prompts"]):
    made, last = list(row), read(row)[-1]
    for _ in range(case["written"]):
        made.append(int(last.argmax()))
        if made[-1] in case["stop"]:
            break
        llama.eval(made[-1:])
        last = llama.scores[len(made) - 1]
    found[f"written{number}"] = np.array(made)
save_file(found, sys.argv[2])
open(sys.argv[3], "w", encoding="utf-8").write(json.dumps(ids))
"""
"""Encodes, reads and writes on with llama.cpp: keys and values in float32, as the run's model has them."""

TOLERANCE = {"f32": 1e-3}
"""Largest difference of a logit by type of the weights; rounded weights have none, the figure stands in the card."""

ODD = 0.05
"""Share of random texts that llama.cpp may cut otherwise. It splits runs of combining marks and rare spaces in its own
way: of 1 000 texts it gave other ids than Mistral-Nemo's tokenizer on 3, and on 15 once that had words as tokens."""

ROUNDING = {"f32": 0.0, "bf16": 2**-8, "f16": 2**-10, "q8_0": 1 / 127}
"""Largest difference of an entry of a new row, against the largest entry of that row."""


@dataclass(frozen=True, slots=True)
class Made:
    """A GGUF file, and how it was made."""

    name: str
    """Of the file, in the folder."""
    kind: str
    """Type of the weights: f32, bf16, f16 or q8_0."""
    pre_tokenizer: str | None
    checkout: Path


def attempt(made: Made, trial: Trial, place: Path) -> Outcome:
    """What was compared; llama.cpp itself is asked where llama-cpp-python is installed.

    Raises:
        ExportError: entries, merges, pre-tokenizer or rows of the file are not the run's, or llama.cpp gives other ids
            or logits.
    """
    read = _read_back(made, trial, place / made.name)
    if find_spec("llama_cpp") is None:
        more = f"{read} llama-cpp-python is not installed, so llama.cpp was not asked for ids and logits."
        return Outcome(0, 0, 0.0, 0, more=more)
    case = {"file": str((place / made.name).resolve()), "context": 256, "stop": _stops(trial)}
    tolerance = TOLERANCE.get(made.kind, float("inf"))
    outcome = trial.compare(*trial.ask(ASK, case), tolerance, text=made.kind in TOLERANCE, odd=ODD)
    return replace(outcome, how="llama.cpp, through llama-cpp-python,", more=read)


def _read_back(made: Made, trial: Trial, file: Path) -> str:
    """A sentence on what the file holds."""
    extension = trial.finished.extension()
    new = list(range(extension.base_size, extension.size))
    rows = _new_rows(trial, new)
    with tempfile.TemporaryDirectory() as scratch:
        ids, tensors, said = (Path(scratch, name) for name in ("ids.safetensors", "rows.safetensors", "names.json"))
        save_file({"ids": torch.tensor(new)}, ids)
        done = run_python(READ, str(made.checkout / LIBRARY), str(file.resolve()), str(ids), str(tensors), str(said))
        if done.returncode:
            raise mismatch(f"a GGUF file that could not be read: {last_line(done)}", "what the checkout's gguf reads")
        stored, names = load_file(tensors), json.loads(said.read_text(encoding="utf-8"))
    _same_entries(made, extension.file, names)
    for name, value in stored.items():
        _same_rows(name, value, rows[name], ROUNDING[made.kind])
    split = f", split as {made.pre_tokenizer}" if made.pre_tokenizer else ""
    return (
        f"Read back: {len(names['tokens'])} entries, {len(names['merges'] or [])} merges and the {len(new)} new rows "
        f"of {len(stored)} table{'s' if len(stored) > 1 else ''} are the run's, weights as {made.kind}{split}."
    )


def _new_rows(trial: Trial, new: list[int]) -> dict[str, Float[Tensor, "new d"]]:
    remote = trial.trust_remote_code
    model = load_model(str(trial.finished.model), dtype="float32", device="cpu", trust_remote_code=remote)
    tables = find_tables(model)
    return {"token_embd.weight": tables.input_weight[new], "output.weight": tables.head_weight[new]}


def _same_entries(made: Made, file: Any, names: dict[str, Any]) -> None:
    added = {token["id"] for token in file.added_tokens}
    for number, entry in enumerate(file.tokens):
        there = names["tokens"][number] if number < len(names["tokens"]) else None
        if there != entry and entry is not None and number not in added:  # the converter spells added tokens its way
            raise mismatch(f"entry {there!r} for id {number}", f"{entry!r}, as the run's tokenizer has it")
    merges = [_as_written(rule) for rule in file.document["model"].get("merges") or []]
    if names["merges"] is not None and names["merges"] != merges:
        raise mismatch(f"{len(names['merges'])} merges", f"the {len(merges)} of the run's tokenizer, in their order")
    if made.pre_tokenizer is not None and names["pre"] != [made.pre_tokenizer]:
        raise mismatch(f"pre-tokenizer {names['pre']}", f"{made.pre_tokenizer}")


def _as_written(rule: Any) -> str:
    """A merge as GGUF has it: its two sides with a space between, one inside a side as the sign of byte-level BPE."""
    return rule if isinstance(rule, str) else " ".join(side.replace(" ", chr(ord(" ") + 256)) for side in rule)


def _same_rows(name: str, there: Float[Tensor, "new d"], ours: Float[Tensor, "new d"], rounding: float) -> None:
    if there.shape != ours.shape:
        raise mismatch(f"{name} rows of shape {tuple(there.shape)}", f"{tuple(ours.shape)}")
    off = (there - ours).abs().amax(1) - rounding * ours.abs().amax(1)
    if bool((off > 0).any()):
        raise mismatch(f"{int((off > 0).sum())} new rows of {name} that are not the run's", "the run's rows")


def _stops(trial: Trial) -> list[int]:
    """Ids at which transformers stops writing."""
    path = trial.finished.model / "generation_config.json"
    stop = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id") if path.is_file() else None
    return stop if isinstance(stop, list) else [] if stop is None else [stop]
