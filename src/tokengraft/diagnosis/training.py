"""The settings of a training that the checks ask for, under the names that transformers and peft give them."""

import dataclasses
import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from tokengraft.errors import ConfigError

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
ALIASES = {
    "torch_dtype": "dtype",
    "data_collator": "collator",
    "eps": "adam_epsilon",
    "lr": "learning_rate",
    "batch_size": "per_device_train_batch_size",
    "attention": "attn_implementation",
}
TABLE_MODULES = ("embed_tokens", "lm_head", "wte", "embed_in", "embed_out", "word_embeddings")


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Values of a training. Names are those of `TrainingArguments` and `LoraConfig`; their other members may stand
    beside these and are not looked at.
    """

    dtype: str | None = None
    """What the parameters are trained in: `float32`, `float16` or `bfloat16`. Unset: as the checkpoint stores them,
    which is what transformers 5 loads."""
    fp16: bool = False
    """Autocast to float16 with a gradient scaler."""
    bf16: bool = False
    """Autocast to bfloat16."""
    optim: str = "adamw_torch_fused"
    """Name of the optimiser; `adamw` and `adam` are those of `torch.optim` in a loop of one's own."""
    adam_epsilon: float = 1e-8
    """Adam's ε."""
    weight_decay: float = 0.0
    """Decay of the weights by step, as a share of the learning rate. (`torch.optim.AdamW` itself has 0.01.)"""
    learning_rate: float = 5e-5
    """Peak learning rate."""
    max_steps: int = 1000
    """Steps, where they are given; they only scale what is predicted."""
    collator: str | None = None
    """Class of the collator: `DataCollatorForLanguageModeling`, `DataCollatorForSeq2Seq`, …"""
    padding_side: str | None = None
    """Side on which batches are padded."""
    packing: bool = False
    """Whether sequences are joined, so that nothing is padded."""
    per_device_train_batch_size: int = 8
    """Sequences in a batch."""
    predict_with_generate: bool = False
    """Whether evaluation generates."""
    target_modules: tuple[str, ...] | None = None
    """Modules with LoRA; setting it says that the training is LoRA. `all-linear` leaves both tables out."""
    modules_to_save: tuple[str, ...] = ()
    """Modules that are trained whole beside LoRA."""
    trainable_token_indices: tuple[int, ...] = ()
    """Rows that are trained beside LoRA."""
    trainable_token_modules: tuple[str, ...] = ()
    """Tables of these rows, where `trainable_token_indices` is a mapping; a list is of the input table, and of a head
    tied to it."""
    ensure_weight_tying: bool = False
    """peft's setting that keeps tied tables tied."""
    frozen_rows: int = 0
    """Rows from 0 that the training means to leave as they are, for instance by masking their gradients."""
    new_tokens: tuple[str, ...] = ()
    """Tokens that were added for this training."""
    attn_implementation: str | None = None
    """`eager`, `sdpa`, `flash_attention_2` or another name."""

    @property
    def is_lora(self) -> bool:
        """Whether only an adapter is trained."""
        return self.target_modules is not None

    @property
    def trains_whole_tables(self) -> bool:
        """Whether the optimiser holds a whole table, in the dtype of the model; peft keeps its own in float32."""
        return not self.is_lora or any(is_table(name) for name in self.modules_to_save)

    @property
    def trains_tables(self) -> bool:
        """Whether a table, or rows of it, get gradients."""
        if not self.is_lora:
            return True
        named = (*(self.target_modules or ()), *self.modules_to_save)
        return bool(self.trainable_token_indices) or any(is_table(name) for name in named)


def is_table(module: str) -> bool:
    """Whether a module's name is one that tables have.

    >>> is_table("model.embed_tokens"), is_table("q_proj")
    (True, False)
    """
    return module.rpartition(".")[2] in TABLE_MODULES


def read_training(source: str | Path | Mapping[str, Any] | TrainingSettings) -> TrainingSettings:
    """The settings in a JSON or YAML file, or in a mapping.

    >>> read_training({"fp16": True, "lr": "2e-4"}).learning_rate
    0.0002

    Raises:
        ConfigError: the file is missing or not well formed, a name is unknown, or a value of another kind.
    """
    if isinstance(source, TrainingSettings):
        return source
    values = source if isinstance(source, Mapping) else _read(Path(source).expanduser())
    known = {member.name: member for member in dataclasses.fields(TrainingSettings)}
    chosen = {}
    for given, value in values.items():
        name = ALIASES.get(given, given)
        if name in known:
            if value is not None:
                chosen[name] = _value(name, value, known[name].default)
            if name == "trainable_token_indices" and isinstance(value, Mapping):
                chosen["trainable_token_modules"] = tuple(str(module) for module in value)
        elif given not in _others():
            raise _unknown(given, [*known, *ALIASES])
    return TrainingSettings(**chosen)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise ConfigError(found=f"{path}: {reason}", expected="JSON or YAML", do="check --train-config") from error
    if not isinstance(values, Mapping):
        raise ConfigError(
            found=f"{path} holds {type(values).__name__}", expected="names and values", do="check --train-config"
        )
    return values


def _others() -> frozenset[str]:
    """Members of the two classes that the settings are taken from."""
    from peft import LoraConfig  # noqa: PLC0415  slow to import, and only unknown names need it
    from transformers import Seq2SeqTrainingArguments  # noqa: PLC0415

    return frozenset(
        member.name for kind in (LoraConfig, Seq2SeqTrainingArguments) for member in dataclasses.fields(kind)
    )


def _unknown(name: str, known: list[str]) -> ConfigError:
    close = difflib.get_close_matches(name, known, n=1)
    return ConfigError(
        found=f"training setting {name!r}",
        expected="a name of the schema in docs/doctor.md, of TrainingArguments or of LoraConfig",
        do=f"did you mean {close[0]!r}?" if close else "take it out",
    )


def _value(name: str, value: Any, default: Any) -> Any:
    """The value in the member's kind: a number that YAML read as text (`1e-4`) is a number."""
    try:
        if name == "dtype":
            return _dtype(value)
        if name == "trainable_token_indices":
            flat = [i for ids in value.values() for i in ids] if isinstance(value, Mapping) else value
            return tuple(int(number) for number in flat)
        if isinstance(default, tuple) or name == "target_modules":
            return (value,) if isinstance(value, str) else tuple(str(item) for item in value)
        if isinstance(default, bool):
            return _flag(value)
        if isinstance(default, int | float):
            return type(default)(value)
        return value if isinstance(value, str) else type(value).__name__  # a collator object tells by its class
    except (TypeError, ValueError) as error:
        raise ConfigError(
            found=f"training setting {name} = {value!r}",
            expected=f"a value like {default!r}",
            do="see the schema in docs/doctor.md",
        ) from error


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(value)
    return value


def _dtype(value: Any) -> str | None:
    name = str(value).removeprefix("torch.")
    name = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}.get(name, name)
    if name == "auto":
        return None
    if name not in DTYPES:
        raise ValueError(value)
    return name
