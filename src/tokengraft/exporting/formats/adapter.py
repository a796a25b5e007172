"""New rows as a PEFT adapter."""

import warnings
from pathlib import Path
from typing import Any

import torch

from tokengraft.errors import ExportError
from tokengraft.exporting import Options, exporters
from tokengraft.exporting.finished import Finished
from tokengraft.exporting.tensors import differing, weights
from tokengraft.model.load import load_model
from tokengraft.model.tables import Tables, find_tables

LOADING = """from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained(base, dtype="auto")
model.resize_token_embeddings({rows}, mean_resizing=False)
model = PeftModel.from_pretrained(model, folder)
tokenizer = AutoTokenizer.from_pretrained(folder)
"""


@exporters.register("adapter")
def adapter(finished: Finished, place: Path, options: Options) -> str:
    """A PEFT folder with the new rows of both tables and the tokenizer, for the untouched base."""
    model = load_model(str(finished.model), dtype="float32", device="cpu", trust_remote_code=options.trust_remote_code)
    tables, extension = find_tables(model), finished.extension()
    _refuse_more_than_rows(finished, model, tables)
    peft_model = _wrapped(model, tables, list(range(extension.base_size, extension.size)))
    peft_model.peft_config["default"].base_model_name_or_path = finished.base
    # "auto" would look for the base on the hub to see whether its vocabulary is another: it is, and rows are all there.
    peft_model.save_pretrained(place, save_embedding_layers=False)
    extension.file.save(place)
    return LOADING.format(rows=tables.rows)


def _refuse_more_than_rows(finished: Finished, model: Any, tables: Tables) -> None:
    """Returns where nothing but the tables differs from the base, and the head has no bias of its own."""
    own = {id(tables.input_weight), id(tables.head_weight)}
    names = {name for name, value in model.named_parameters(remove_duplicate=False) if id(value) in own}
    other = [name for name, _ in differing(weights(finished.base), weights(finished.model)) if name not in names]
    if other:
        raise ExportError(
            found=f"{len(other)} changed weights beside the new rows, {other[0]} first",
            expected="a model of which only the new rows differ from the base",
            do="export it as hf or patch",
        )


def _wrapped(model: Any, tables: Tables, ids: list[int]) -> Any:
    from peft import TrainableTokensConfig, get_peft_model  # noqa: PLC0415 - takes a second

    modules = [tables.embedding] if tables.tied else [tables.embedding, tables.head]
    targets = [name for name, module in model.named_modules() if any(module is one for one in modules)]
    rows = [module.weight.detach()[ids].clone() for module in modules]
    with warnings.catch_warnings():  # peft 0.21 asks transformers 5.23 for a name that it is about to drop
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        wrapped = get_peft_model(model, TrainableTokensConfig(token_indices=ids, target_modules=targets))
    stored = dict(wrapped.named_parameters())
    deltas = [value for name, value in stored.items() if "trainable_tokens_delta" in name]
    assert len(deltas) == len(rows), "one delta a table"
    for delta, row in zip(deltas, rows, strict=True):
        with torch.no_grad():
            delta.copy_(row)
    return wrapped
