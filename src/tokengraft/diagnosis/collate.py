"""Records of a file to batches, through the collator that the training names."""

from collections.abc import Sequence
from typing import Any

from tokengraft.diagnosis.batches import MOST, Batch, as_batches
from tokengraft.diagnosis.training import TrainingSettings
from tokengraft.errors import ConfigError, CorpusError, TokenizerError


class CollatorError(CorpusError):
    """The training's own collator makes no batches of the data."""


def collated(
    records: Sequence[dict[str, Any]], tokenizer: Any, training: TrainingSettings | None, size: int
) -> list[Batch]:
    """Batches of `size` records each: encoded if they are text or messages, then collated.

    Without a collator's name sequences are padded and get no labels but their own.

    Raises:
        CorpusError: records are of different forms, or of none that is known.
        TokenizerError: there is text and no tokenizer, or the tokenizer cannot pad or has no chat template.
        ConfigError: transformers has no collator of that name.
        CollatorError: the collator refuses the data, for instance as there is no pad token.
    """
    encoder = _encoder(tokenizer)
    features = [_feature(record, encoder, number) for number, record in enumerate(records, start=1)]
    groups = [features[start : start + size] for start in range(0, len(features), size)][:MOST]
    if training is None or training.collator is None:
        return [_padded(group, encoder) for group in groups]
    collator = _collator(training.collator, encoder, training)
    try:
        made = [dict(collator([dict(feature) for feature in group])) for group in groups]
    except Exception as error:  # collators refuse data in their own ways
        raise CollatorError(
            found=f"{training.collator}: {str(error).partition('. ')[0]}",
            expected="data that the training's collator makes batches of",
            do="see the other findings, or give batches of ids",
        ) from error
    return as_batches(made)


def _encoder(tokenizer: Any) -> Any:
    """The tokenizer as transformers loads it."""
    if tokenizer is None or hasattr(tokenizer, "pad"):
        return tokenizer
    from transformers import AutoTokenizer  # noqa: PLC0415  only data in text form needs it

    try:
        return AutoTokenizer.from_pretrained(tokenizer)
    except Exception as error:  # classes refuse their files in their own ways
        raise TokenizerError(
            found=f"{tokenizer}: {str(error).partition(chr(10))[0]}",
            expected="a tokenizer that AutoTokenizer loads",
            do="check the folder, or give batches of ids",
        ) from error


def _feature(record: dict[str, Any], encoder: Any, number: int) -> dict[str, Any]:
    if "input_ids" in record:
        return {name: record[name] for name in ("input_ids", "attention_mask", "labels") if name in record}
    if encoder is None:
        raise TokenizerError(found="data as text and no tokenizer", expected="a tokenizer", do="give --tokenizer")
    try:
        if "messages" in record:
            # The template writes the control tokens itself.
            text = encoder.apply_chat_template(record["messages"], tokenize=False)
            return {"input_ids": encoder(text, add_special_tokens=False)["input_ids"]}
        return {"input_ids": encoder(record["text"])["input_ids"]}
    except (KeyError, TypeError, ValueError) as error:
        raise CorpusError(
            found=f"record {number}: {str(error).partition(chr(10))[0]}",
            expected="input_ids, a text, or messages with role and content",
            do="check the data, and the chat template if it has messages",
        ) from error


def _padded(group: list[dict[str, Any]], encoder: Any) -> Batch:
    """A batch padded by hand, as no collator is known; padded positions are masked and have no label."""
    longest = max(len(feature["input_ids"]) for feature in group)
    pad = getattr(encoder, "pad_token_id", None) or 0

    def filled(name: str, value: int, default: Any) -> list[list[int]]:
        rows = [feature.get(name) or default(feature) for feature in group]
        return [[*row, *[value] * (longest - len(row))] for row in rows]

    batch: dict[str, Any] = {
        "input_ids": filled("input_ids", pad, list),
        "attention_mask": filled("attention_mask", 0, lambda feature: [1] * len(feature["input_ids"])),
    }
    if all("labels" in feature for feature in group):
        batch["labels"] = filled("labels", -100, list)
    return as_batches([batch])[0]


def _collator(name: str, encoder: Any, training: TrainingSettings) -> Any:
    import transformers  # noqa: PLC0415

    kind = getattr(transformers, name, None)
    if kind is None or "Collator" not in name:
        raise ConfigError(
            found=f"collator {name!r}",
            expected="a class of transformers, such as DataCollatorForLanguageModeling",
            do="give batches that your own collator made, as --data or as batches=",
        )
    if encoder is None:
        raise TokenizerError(found=f"{name} and no tokenizer", expected="a tokenizer", do="give --tokenizer")
    if training.padding_side:
        encoder.padding_side = training.padding_side
    return kind(encoder, mlm=False) if name == "DataCollatorForLanguageModeling" else kind(encoder)
