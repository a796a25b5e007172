"""What the bundled model is made of before training: its tokenizer, and its text as rows of ids."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

SPLIT_PATTERN = "|".join(
    [
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
        r"[^\r\n\p{L}\p{N}]?\p{L}+",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
"""Llama-3's own pattern (its published `tokenizer.json`): letters with one mark before, digits by three, line ends."""

BEGIN, END = "<|begin|>", "<|end|>"


def train_tokenizer(texts: Sequence[str], size: int) -> Tokenizer:
    """Byte-level BPE of `size` tokens whose first two ids are begin and end of text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[BEGIN, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer=trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", pair=f"{BEGIN} $A {BEGIN} $B", special_tokens=[(BEGIN, 0)]
    )
    return tokenizer


def kept_tokenizer(out: Path, texts: Sequence[str], size: int) -> Tokenizer:
    """The tokenizer that an earlier start of this run trained, else a new one, kept for later starts."""
    path = out / "tokenizer.json"
    if not path.exists():
        train_tokenizer(texts, size).save(str(path))
    return Tokenizer.from_file(str(path))


def token_stream(tokenizer: Tokenizer, texts: Sequence[str]) -> list[np.ndarray]:
    """Each text as uint16 ids between begin and end."""
    encodings = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    return [np.array([0, *encoding.ids, 1], dtype=np.uint16) for encoding in encodings]


def training_rows(documents: list[np.ndarray], width: int, rows: int, seed: int, skip: int) -> Iterator[torch.Tensor]:
    """Batches of `rows` × `width` ids without end: documents shuffled each epoch, joined, cut, each row after a BEGIN.

    The first `skip` batches are passed over, so that a run which goes on sees what an unstopped one would have seen.
    """
    generator = random.Random(seed)
    seen = 0
    while True:
        order = generator.sample(range(len(documents)), len(documents))
        stream = np.concatenate([documents[index] for index in order])[generator.randrange(width) :]
        count = len(stream) // (width - 1)
        table = stream[: count * (width - 1)].reshape(count, width - 1)
        table = np.concatenate([np.zeros((count, 1), np.uint16), table], axis=1)
        table = table[generator.sample(range(count), count)]
        for start in range(0, count - rows + 1, rows):
            seen += 1
            if seen > skip:
                yield torch.from_numpy(table[start : start + rows].astype(np.int64))
