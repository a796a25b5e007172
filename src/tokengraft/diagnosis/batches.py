"""A few batches as the training would see them: tensors from Python, or a JSON Lines file."""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from tokengraft.errors import CorpusError

IGNORED = -100
"""The label that the loss leaves out."""

MOST = 64
"""Batches looked at: a few are enough, and a whole training set would take its time."""

PER_BATCH = 8
"""Sequences of a file that are put into one batch where no batch size is given."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Ids, and where they are known the attention mask and the labels."""

    ids: Int[Tensor, "sequences positions"]
    mask: Int[Tensor, "sequences positions"] | None = None
    labels: Int[Tensor, "sequences positions"] | None = None

    @property
    def attended(self) -> Tensor:
        """Whether each position is text; without a mask, all of them."""
        return torch.ones_like(self.ids, dtype=torch.bool) if self.mask is None else self.mask.bool()


def as_batches(batches: Iterable[Any]) -> list[Batch]:
    """The first few of the batches: mappings with `input_ids` and, if they have them, `attention_mask` and `labels`.

    >>> as_batches([{"input_ids": [[1, 2]], "labels": [[1, -100]]}])[0].labels.tolist()
    [[1, -100]]

    Raises:
        CorpusError: a batch is no such mapping, or its members are not whole numbers of one shape.
    """
    found = [_batch(batch, f"batch {place}") for place, batch in enumerate(islice(batches, MOST))]
    if not found:
        raise CorpusError(found="no batch", expected="at least one batch", do="check the data")
    return found


def _batch(batch: Any, where: str) -> Batch:
    if isinstance(batch, Batch):
        return batch
    if not isinstance(batch, Mapping) or "input_ids" not in batch:
        raise CorpusError(
            found=f"{where} is a {type(batch).__name__}"
            + (f" with {', '.join(map(str, batch))}" if isinstance(batch, Mapping) else ""),
            expected="a mapping with input_ids, and attention_mask and labels where there are any",
            do="pass what your data loader or collator gives",
        )
    ids = _tensor(batch["input_ids"], f"{where}: input_ids")
    others = [batch.get(name) for name in ("attention_mask", "labels")]
    tensors = [
        None if value is None else _tensor(value, f"{where}: {name}")
        for name, value in zip(("attention_mask", "labels"), others, strict=True)
    ]
    for name, value in zip(("attention_mask", "labels"), tensors, strict=True):
        if value is not None and value.shape != ids.shape:
            raise CorpusError(
                found=f"{where}: input_ids {tuple(ids.shape)} and {name} {tuple(value.shape)}",
                expected="tensors of one shape",
                do="check the collator",
            )
    return Batch(ids, *tensors)


def _tensor(value: Any, where: str) -> Tensor:
    try:
        made = torch.as_tensor(value).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise CorpusError(
            found=f"{where}: {error}", expected="whole numbers, rows of one length", do="pad the batch"
        ) from error
    if made.is_floating_point() or made.dim() not in {1, 2}:
        raise CorpusError(
            found=f"{where}: {made.dtype} of shape {tuple(made.shape)}",
            expected="whole numbers of shape (sequences, positions)",
            do="check the collator",
        )
    return (made if made.dim() == 2 else made[None]).long()


def read_records(path: str | Path, most: int = MOST * PER_BATCH) -> list[dict[str, Any]]:
    """The first records of a `.jsonl` or `.jsonl.gz` file, or of a `.json` file that holds a list of them.

    Raises:
        CorpusError: the file is missing, holds no objects, or none at all.
    """
    place = Path(path).expanduser()
    if not place.is_file():
        raise CorpusError(found=f"no file {path}", expected="a .jsonl or .json file of batches", do="check --data")
    try:
        records = list(islice(_records(place), most))
    except (OSError, ValueError) as error:
        raise CorpusError(found=f"{path}: {error}", expected="one JSON object a line", do="check --data") from error
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise CorpusError(
                found=f"{path}, record {number}: a JSON {type(record).__name__}",
                expected="objects with input_ids, text or messages",
                do="check --data",
            )
    if not records:
        raise CorpusError(found=f"{path} without a record", expected="at least one", do="check --data")
    return records


def _records(path: Path) -> Iterator[Any]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        if path.suffix == ".json":
            value = json.load(file)
            yield from value if isinstance(value, list) else [value]
        else:
            yield from (json.loads(line) for line in file if line.strip())
