"""New rows, and what LoRA learned, as a PEFT adapter."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from tokengraft import atomic
from tokengraft.errors import ExportError
from tokengraft.exporting import Options, Written, exporters
from tokengraft.exporting.finished import Finished
from tokengraft.exporting.learned import Learned, learned_adapter
from tokengraft.exporting.loading import RECORD
from tokengraft.exporting.tensors import tensor, weights
from tokengraft.model.load import load_model
from tokengraft.model.stored import stored_dtype
from tokengraft.model.tables import Tables, find_tables, same_bits
from tokengraft.phases.merging import fingerprint

LOADING = """from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained(base, dtype="{dtype}")
model.resize_token_embeddings({rows}, mean_resizing=False)
model = PeftModel.from_pretrained(model, folder)
tokenizer = AutoTokenizer.from_pretrained(folder)
"""

FOLDING = """import torch

model = model.merge_and_unload()
for weight in model.parameters():
    weight.data = weight.data.to({dtype})
"""
"""What the check runs after it where the run's weights were rounded: the adapter beside them is not. Parameters alone:
`model.to` would round the positions' frequencies too, which `from_pretrained` leaves in float32."""


@exporters.register("adapter", paper="Hu et al. 2022, arXiv:2106.09685, as PEFT 0.21 stores it")
def adapter(finished: Finished, place: Path, options: Options) -> Written:
    """A PEFT folder with the new rows of both tables, LoRA where it was learned, and the tokenizer."""
    learned = learned_adapter(finished)
    stored = stored_dtype(finished.base)
    # Where the run folded the adapter in, in float32 or in the dtype of the weights, is seen by what comes out.
    kinds = [torch.float32] if learned is None or stored == torch.float32 else [torch.float32, stored]
    wrong: list[str] = []
    for kind in kinds:
        rows, wrong = _write(finished, place, learned, kind, options)
        if not wrong:
            loading = LOADING.format(rows=rows, dtype="auto" if learned is None else _name(kind))
            rounded = learned is not None and stored != torch.float32
            if not rounded:
                return Written(loading)
            checked = f"folded it in and rounded the weights to {_name(stored)}"
            return Written(loading, check=FOLDING.format(dtype=stored), checked=checked)
    raise ExportError(
        found=f"{len(wrong)} changed weights beside the new rows and what LoRA learned, {wrong[0]} first",
        expected="a model of which only the new rows and one folded LoRA differ from the base",
        do="export it as hf or patch",
    )


def _write(
    finished: Finished, place: Path, learned: Learned | None, kind: torch.dtype, options: Options
) -> tuple[int, list[str]]:  # fmt: skip
    """Rows of the grown tables, and names of the weights that are not the run's when the adapter is folded in."""
    model = load_model(finished.base, dtype=_name(kind), device="cpu", trust_remote_code=options.trust_remote_code)
    print_of_base = fingerprint(model)
    rows = _rows_of(finished, find_tables(model), model)
    model.resize_token_embeddings(rows, mean_resizing=False)
    extension = finished.extension()
    peft_model = (learned or Learned()).wrapped(model, list(range(extension.base_size, extension.size)))
    _fill(peft_model, finished, extension.base_size, extension.size)
    peft_model.peft_config["default"].base_model_name_or_path = finished.base
    # "auto" would look for the base on the hub to see whether its vocabulary is another: it is, and rows are all there.
    peft_model.save_pretrained(place, save_embedding_layers=False)
    extension.file.save(place)
    atomic.write_json(place / RECORD, {"format": 1, "rows": rows, "base": print_of_base})
    return rows, _differing(peft_model.merge_and_unload(), finished)


def _table_names(tables: Tables, model: Any) -> list[str]:
    names = {id(tables.embedding): "", id(tables.head): ""}
    names |= {id(module): f"{name}.weight" for name, module in model.named_modules() if id(module) in names}
    return [names[id(tables.embedding)], names[id(tables.head)]]


def _rows_of(finished: Finished, tables: Tables, model: Any) -> int:
    """Rows of the run's tables."""
    files = weights(finished.model)
    return len(tensor(files, next(name for name in _table_names(tables, model) if name in files)))


@torch.no_grad()
def _fill(peft_model: Any, finished: Finished, begin: int, end: int) -> None:
    """Writes the run's new rows into the wrappers of both tables."""
    files = weights(finished.model)
    for name, module in peft_model.named_modules():
        deltas: nn.ParameterDict | None = getattr(module, "trainable_tokens_delta", None)
        if deltas is None or "default" not in deltas:
            continue
        table = name.removeprefix("base_model.model.").removesuffix(".token_adapter") + ".weight"
        if table in files:  # the head that is tied to an input table follows it
            deltas["default"].copy_(tensor(files, table)[begin:end])


def _differing(merged: Any, finished: Finished) -> list[str]:
    """Names of the run's weights that are others in the merged model, bit for bit."""
    files, own = weights(finished.model), dict(merged.named_parameters(remove_duplicate=False))
    own |= dict(merged.named_buffers())
    found = []
    for name in sorted(files):
        there = tensor(files, name)
        if name not in own or not same_bits(own[name].detach().to(there.dtype), there):
            found.append(name)
    return found


def _name(kind: torch.dtype) -> str:
    return str(kind).removeprefix("torch.")
