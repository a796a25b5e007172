"""Low-rank adapters in the blocks, with new rows that learn along; at the end they are folded into the weights."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from tokengraft.config_phases import PhaseConfig
from tokengraft.errors import ModelError
from tokengraft.model.tables import Tables, find_tables
from tokengraft.phases import phases
from tokengraft.phases.merging import fold, has_transposed, pick_targets, write_adapter
from tokengraft.phases.quantized import quantized
from tokengraft.phases.task import Part, Task, blocks_of
from tokengraft.phases.trained import Trained, learning

TABLE_PARTS = ("trainable_tokens_delta", "modules_to_save")
"""What PEFT calls rows, and whole tables, that learn beside adapters."""


@phases.register("lora", paper="Hu et al. 2022, arXiv:2106.09685")
def lora(task: Task) -> list[Part]:
    """Low-rank adapters on the linear layers of all blocks and the new rows of both tables, then folded in."""
    config = lora_config(task)
    return [Part("lora", 1.0, lambda: _adapting(task, config))]


def lora_config(task: Task) -> Any:
    """PEFT's configuration of the adapter, with the modules that were found for its targets.

    Raises:
        ModelError: a target matches no module, or asks for adapters on tied tables.
    """
    from peft import LoraConfig  # noqa: PLC0415 - two seconds to import

    settings = task.settings
    alpha = 2 * settings.rank if settings.alpha is None else settings.alpha
    tables = find_tables(task.model)
    targets = check_adapters(task.model, tables, settings)
    return LoraConfig(
        r=settings.rank,
        lora_alpha=alpha,  # pyrefly: ignore
        lora_dropout=settings.dropout,
        target_modules=targets,
        fan_in_fan_out=has_transposed(task.model, targets),
        task_type="CAUSAL_LM",
        base_model_name_or_path=task.base_name or None,
        **_rows_along(task, tables),
    )


def check_adapters(model: Any, tables: Tables, settings: PhaseConfig) -> list[str]:
    """Names of the modules that get adapters; the model's weights are not looked at.

    Raises:
        ModelError: a target matches no module, or rows cannot learn along in that way with such tables.
    """
    if settings.rows == "modules-to-save" and tables.tied:
        _refuse_unknown_tie(next(name for name, module in model.named_modules() if module is tables.embedding))
    if settings.rows == "trainable-tokens" and tables.head_bias is not None:
        _refuse_bias()
    return pick_targets(model, tables, blocks_of(model)[0], settings.targets, settings.rows)


def _rows_along(task: Task, tables: Tables) -> dict[str, Any]:
    """How new rows learn: PEFT names a table by its module; of tied tables the input table, which the head follows."""
    wanted = [tables.embedding] if tables.tied else [tables.embedding, tables.head]
    names = [name.rpartition(".")[2] for w in wanted for name, module in task.model.named_modules() if module is w]
    ways: dict[str, dict[str, Any]] = {
        "none": {},
        "trainable-tokens": {"trainable_token_indices": dict.fromkeys(names, task.new_ids)},
        "modules-to-save": {"modules_to_save": names, "ensure_weight_tying": tables.tied},
    }
    return ways[task.settings.rows] if task.new_ids else {}


def _refuse_unknown_tie(name: str) -> None:
    from peft.utils.constants import EMBEDDING_LAYER_NAMES  # noqa: PLC0415

    name = name.rpartition(".")[2]
    if name not in EMBEDDING_LAYER_NAMES:
        raise ModelError(
            found=f"modules-to-save on the tied table {name}",
            expected=f"a table called {' or '.join(EMBEDDING_LAYER_NAMES)}: PEFT trains others apart from the head",
            do="set rows to trainable-tokens",
        )


def _refuse_bias() -> None:
    raise ModelError(
        found="a head with a bias, which PEFT leaves out of the logits while rows of that head learn",
        expected="a head without a bias for rows = trainable-tokens",
        do="set rows to modules-to-save",
    )


@contextmanager
def _adapting(task: Task, config: Any) -> Iterator[Trained]:
    from peft import get_peft_model  # noqa: PLC0415

    model, projection, tied = task.model, task.projection, task.tied
    asking = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # PEFT asks transformers by a name that has been given up.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        torch.manual_seed(task.seed)
        peft = get_peft_model(model, config)
    try:
        with quantized(model) if task.settings.quantize else nullcontext():
            names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
            tables = [name for name in names if any(part in name for part in TABLE_PARTS)]
            with learning(model, task.size, projection, names, task.settings, tables) as trained:
                yield trained
        if task.adapter is not None:
            write_adapter(peft, task.adapter)
    except BaseException:
        peft.unload()
        raise
    probe = torch.from_numpy(task.windows[0].student)[None].to(model.device)
    trained.merge_error = fold(peft, model, probe, tied=tied)
    for parameter in asking:
        parameter.requires_grad_(True)
