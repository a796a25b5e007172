"""All that is known of one set-up. Parts are read when a check first asks for them, and only once."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tokengraft.diagnosis.adapter import Adapter, adapter_of, read_adapter
from tokengraft.diagnosis.batches import PER_BATCH, Batch, as_batches
from tokengraft.diagnosis.collate import CollatorError, collated
from tokengraft.diagnosis.sources import SMALL_BYTES, Source, source_of
from tokengraft.diagnosis.tables import Tables
from tokengraft.diagnosis.training import TrainingSettings, read_training
from tokengraft.diagnosis.vocabulary import Vocabulary
from tokengraft.errors import ModelError, TokenizerError


@dataclass(frozen=True)
class Case:
    """A model with what was given beside it."""

    source: Source
    vocabulary: Vocabulary | None = None
    training: TrainingSettings | None = None
    adapter: Adapter | None = None
    base: "Case | None" = None
    given: Any = None
    """Batches from Python, or records of a file."""
    forward: bool | None = None
    """Whether to load the model: yes, no, or where it is small."""
    tokenizer: Any = field(default=None, compare=False)
    """What the tokenizer was read from."""

    @cached_property
    def settings(self) -> Any:
        """The model's settings as transformers reads them."""
        return self.source.settings()

    @cached_property
    def text_settings(self) -> Any:
        """The part of them that is about text."""
        return self.settings.get_text_config()

    @cached_property
    def generation(self) -> dict[str, Any]:
        """The generation settings; empty where there are none."""
        return self.source.generation()

    @cached_property
    def tables(self) -> Tables:
        """Both tables."""
        return self.source.tables()

    @cached_property
    def used(self) -> int:
        """Rows that belong to an id of the tokenizer; without a tokenizer, all rows."""
        return min(self.tables.rows, self.vocabulary.size) if self.vocabulary else self.tables.rows

    @cached_property
    def batches(self) -> list[Batch]:
        """The batches, made by the training's collator where the data is text."""
        if isinstance(self.given, list) and self.given and _is_record(self.given[0]):
            size = self.training.per_device_train_batch_size if self.training else PER_BATCH
            return collated(self.given, self.tokenizer, self.training, size)
        return as_batches(self.given)

    @cached_property
    def cannot_collate(self) -> str | None:
        """Why the training's collator makes no batches; None where it does."""
        try:
            _ = self.batches
        except CollatorError as error:
            return error.found
        return None

    @property
    def any_batches(self) -> list[Batch]:
        """The batches; none where no data was given, or the collator makes none of it."""
        return [] if self.given is None or self.cannot_collate else self.batches

    @cached_property
    def model(self) -> Any:
        """The whole model in memory."""
        return self.source.load()

    @cached_property
    def cannot_load(self) -> str | None:
        """Why the model cannot be loaded; None where it can."""
        try:
            _ = self.model
        except ModelError as error:
            return error.found
        return None

    def new_ids(self) -> list[int]:
        """Ids that are new: those the base's tokenizer lacks, or those of the training's `new_tokens`."""
        if self.vocabulary is None:
            return []
        if self.base is not None and self.base.vocabulary is not None:
            old = self.base.vocabulary.file.ids
            return sorted(number for token, number in self.vocabulary.file.ids.items() if token not in old)
        named = self.training.new_tokens if self.training else ()
        return sorted(self.vocabulary.file.ids[token] for token in named if token in self.vocabulary.file.ids)

    def token(self, number: int) -> str:
        """What an id stands for; the id alone without a tokenizer."""
        return self.vocabulary.token(number) if self.vocabulary else f"id {number}"

    def missing(self, need: str) -> str | None:
        """Why a need is not met; None where it is."""
        return NEEDS[need](self)


def _is_record(value: Any) -> bool:
    return isinstance(value, dict) and ("text" in value or "messages" in value or _is_flat(value.get("input_ids")))


def _is_flat(ids: Any) -> bool:
    return isinstance(ids, list) and bool(ids) and isinstance(ids[0], int)


def _given(what: str, flag: str) -> str:
    return f"no {what} given ({flag})"


def _no_forward(case: Case) -> str | None:
    if case.forward is False:
        return "checks with a forward pass were switched off (--no-forward)"
    size = case.source.stored_bytes()
    if case.forward is None and size > SMALL_BYTES:
        return f"{size / 2**30:.1f} GiB of weights are not loaded unless asked for (--forward)"
    reason = case.cannot_load
    return f"the model cannot be loaded: {reason}" if reason else None


def _no_batches(case: Case) -> str | None:
    if case.given is None:
        return _given("data", "--data")
    reason = case.cannot_collate
    return f"the collator makes no batches: {reason}" if reason else None


def _no_labels(case: Case) -> str | None:
    reason = _no_batches(case)
    if reason:
        return reason
    if all(batch.labels is None for batch in case.batches):
        return "the batches have no labels (give them, or name the collator in --train-config)"
    return None


NEEDS: dict[str, Callable[[Case], str | None]] = {
    "tokenizer": lambda case: None if case.vocabulary else _given("tokenizer", "--tokenizer"),
    "template": lambda case: (
        None if case.vocabulary and case.vocabulary.template else "the tokenizer has no chat template"
    ),
    "model": _no_forward,
    "batches": _no_batches,
    "labels": _no_labels,
    "training": lambda case: None if case.training else _given("training settings", "--train-config"),
    "adapter": lambda case: None if case.adapter else _given("adapter", "--adapter"),
    "base": lambda case: None if case.base else _given("base", "--base"),
    "files": lambda case: None if case.vocabulary and case.vocabulary.folder else "the tokenizer is no folder of files",
}
"""What a check can need beside the model's settings and tables, and why it is not there."""


def open_case(
    model: Any, tokenizer: Any = None, *, base: Any = None, data: Any = None, adapter: Any = None,
    training: Any = None, forward: bool | None = None,
) -> Case:  # fmt: skip
    """The set-up with these parts; each is refused here if it is missing or of the wrong form.

    Raises:
        ModelError: the model, base or adapter is missing or is none.
        TokenizerError: the tokenizer is missing or not well formed.
        ConfigError: the training settings cannot be read.
    """
    source = source_of(model)
    found = tokenizer if tokenizer is not None else _beside(source)
    return Case(
        source,
        Vocabulary.read(found) if found is not None else None,
        read_training(training) if training is not None else None,
        read_adapter(adapter) if adapter is not None else adapter_of(model),
        _open_base(base),
        _listed(data),
        forward,
        found,
    )


def _open_base(base: Any) -> Case | None:
    return None if base is None else open_case(*base) if isinstance(base, tuple) else open_case(base)


def _beside(source: Source) -> Any:
    """The tokenizer in the model's own folder."""
    if source.folder is None:
        return None
    try:
        Vocabulary.read(source.folder)
    except TokenizerError:
        if (source.folder / "tokenizer.json").is_file():
            raise
        return None
    return source.folder


def _listed(data: Any) -> Any:
    return list(data) if isinstance(data, Iterable) and not isinstance(data, list | dict | str) else data
