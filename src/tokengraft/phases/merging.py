"""Adapters: where they go, how they are folded into plain weights, and the proof that nothing changed by it."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from tokengraft import atomic
from tokengraft.errors import CheckError, ModelError
from tokengraft.model.tables import Tables, find_tables
from tokengraft.training import processes

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}
"""Largest change of a logit by folding, against the largest logit, by dtype of the weights."""

RECORD = "tokengraft_adapter.json"
"""Stands beside an adapter: what it belongs to."""

SAMPLE_ROWS = 8
"""Rows of each matrix that go into a model's fingerprint."""


def linear_modules(model: Any) -> dict[str, nn.Module]:
    """The linear layers of a model by name; GPT-2 writes them as `Conv1D`."""
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"
    }


def has_transposed(model: Any, targets: Sequence[str]) -> bool:
    """Whether a target keeps its weight transposed, as GPT-2's `Conv1D` does."""
    kinds = {type(module).__name__ for name, module in model.named_modules() if name.endswith(tuple(targets))}
    return "Conv1D" in kinds


def pick_targets(
    model: Any, tables: Tables, blocks: str, targets: Sequence[str], rows: str = "none"
) -> list[str]:  # fmt: skip
    """Names of the modules that get adapters: short ones where these mean the same modules, else whole ones.

    Raises:
        ModelError: a target matches no linear layer or table, or is a table that cannot have an adapter.
    """
    linear = linear_modules(model)
    own = {name: module for name, module in model.named_modules() if module in (tables.embedding, tables.head)}
    inside = [name for name in linear if name.startswith(f"{blocks}.")]
    chosen = inside if not targets else [n for t in targets for n in _matching(t, {**linear, **own}, inside)]
    if set(chosen) & own.keys():
        _refuse_tables(sorted(set(chosen) & own.keys()), rows, tied=tables.tied)
    short = sorted({name.rpartition(".")[2] for name in chosen})
    everywhere = {name for name, _ in model.named_modules() if name.rpartition(".")[2] in short}
    return short if everywhere == set(chosen) else sorted(set(chosen))


def _matching(target: str, modules: dict[str, nn.Module], inside: Sequence[str]) -> list[str]:
    found = [name for name in modules if name == target or name.endswith(f".{target}")]
    if not found:
        there = sorted({name.rpartition(".")[2] for name in inside})
        raise ModelError(
            found=f"target {target!r}, which matches no module",
            expected=f"ends of names of linear layers: {', '.join(there)}",
            do="change targets, or leave them out for all linear layers of all blocks",
        )
    return found


def _refuse_tables(names: Sequence[str], rows: str, *, tied: bool) -> None:
    if tied:
        raise ModelError(
            found=f"adapters on {', '.join(names)}, and input table and head are one table",
            expected="adapters in the blocks: folded into one of two tied uses, they would change the other as well",
            do="leave the tables out of targets and set rows to trainable-tokens or modules-to-save",
        )
    if rows != "none":
        raise ModelError(
            found=f"adapters on {', '.join(names)} and rows = {rows} on the same tables",
            expected="one of the two",
            do="leave the tables out of targets, or set rows to none",
        )


@torch.no_grad()
def fold(peft: Any, model: Any, probe: Int[Tensor, "rows width"], *, tied: bool) -> float:
    """The largest change of a logit by folding the adapter into `model`, against the largest logit.

    Raises:
        CheckError: it is more than rounding can explain, or tied tables came apart.
    """
    training = model.training
    model.eval()
    before = model(input_ids=probe, use_cache=False).logits.float()
    peft.merge_and_unload(safe_merge=True)
    if tied:
        _tie_again(model)
    model.eval()
    after = model(input_ids=probe, use_cache=False).logits.float()
    model.train(training)
    model.requires_grad_(False)
    error = ((before - after).abs().max() / before.abs().max().clamp_min(1e-6)).item()
    allowed = TOLERANCE.get(find_tables(model).head_weight.dtype, 1e-4)
    if not error <= allowed:
        raise CheckError(
            found=f"logits that change by {error:.2g} of the largest when the adapter is folded in",
            expected=f"at most {allowed:g}",
            do="keep the adapter beside the model, and report the architecture",
        )
    return error


def _tie_again(model: Any) -> None:
    """PEFT gives each of two tied tables its own copy of what was learned; they must be equal, and become one again."""
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    if head.weight is embedding.weight:
        return
    if not torch.equal(head.weight, embedding.weight):
        raise CheckError(
            found="an input table and a head that differ after folding, though they were one table",
            expected="one table",
            do="set rows to trainable-tokens",
        )
    head.weight = embedding.weight


def write_adapter(peft: Any, folder: Path) -> None:
    """Writes the adapter as PEFT reads it, with a record of the model that it belongs to."""
    if not processes.is_main():
        return
    with atomic.folder(folder) as place:
        peft.save_pretrained(place, save_embedding_layers=False)
        with peft.disable_adapter():
            atomic.write_json(place / RECORD, {"format": 1, "base": fingerprint(peft)})


@torch.no_grad()
def fingerprint(model: Any) -> str:
    """What tells a model from another: shapes of its own weights and some numbers of each, whatever their dtype.

    Adapters in it are not looked at.
    """
    digest = hashlib.sha256()
    for name, weight in sorted(_own_weights(model).items()):
        digest.update(f"{name} {tuple(weight.shape)}".encode())
        digest.update(weight.detach()[:SAMPLE_ROWS].float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _own_weights(model: Any) -> dict[str, Tensor]:
    skipped = ("lora_", "trainable_tokens_", "modules_to_save")
    found = {}
    for name, weight in model.named_parameters():
        if not any(part in name for part in skipped) and weight.is_floating_point():
            plain = name.removeprefix("base_model.model.")
            for wrapper in (".base_layer", ".original_module", ".token_adapter"):
                plain = plain.replace(wrapper, "")
            found[plain] = weight
    return found


def merge_adapter(model: Any, folder: str | Path) -> float:
    """Folds a saved adapter into a loaded model, in place; the largest change of a logit by that.

    Raises:
        ModelError: the folder holds no adapter, or one for another model.
        CheckError: the logits changed.
    """
    from peft import PeftModel  # noqa: PLC0415 - two seconds to import

    place = Path(folder)
    if not (place / "adapter_config.json").is_file() or not (place / "adapter_model.safetensors").is_file():
        raise ModelError(
            found=f"{place} without adapter_config.json and adapter_model.safetensors",
            expected="an adapter as PEFT saves it",
            do="check the path",
        )
    record = place / RECORD
    wanted = json.loads(record.read_text(encoding="utf-8"))["base"] if record.is_file() else None
    if wanted is not None and wanted != fingerprint(model):
        raise ModelError(
            found=f"the adapter {place}, which was trained on another model",
            expected="the model that the adapter belongs to",
            do="give the model that the phase lora began with",
        )
    tied = find_tables(model).tied
    try:
        peft = PeftModel.from_pretrained(model, str(place))
    except (RuntimeError, ValueError, KeyError) as error:
        raise ModelError(
            found=f"the adapter {place}: {str(error).strip().partition(chr(10))[0]}",
            expected="an adapter whose shapes are those of the model",
            do="give the model that the adapter was trained on",
        ) from error
    probe = torch.arange(min(64, model.get_input_embeddings().weight.shape[0]), device=model.device)[None]
    return fold(peft, model, probe, tied=tied)
