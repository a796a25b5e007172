"""Models and text of the engine's benchmark."""

import math
import random
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tokengraft.init import initialise
from tokengraft.model import grow
from tokengraft.training.windows import make_window


class Pieces:
    """Pieces of new tokens as a table."""

    def __init__(self, base_size, pieces):
        self.base_size, self.pieces = base_size, pieces
        self.lengths = np.array([1] * base_size + [len(p) for p in pieces])

    def flatten(self, ids):
        return np.array(
            [q for i in ids for q in (self.pieces[i - self.base_size] if i >= self.base_size else (i,))], dtype=np.int64
        )


@dataclass
class Extension:
    """New tokens of random pieces: for speed, what they spell does not matter."""

    base_size: int
    count: int
    new_tokens: list = field(default_factory=list)

    def __post_init__(self):
        draw = random.Random(0)
        pieces = [tuple(draw.randrange(1, self.base_size) for _ in range(draw.choice((2, 2, 3, 4))))
                  for _ in range(self.count)]  # fmt: skip
        self.size = self.base_size + self.count
        self.decomposition = Pieces(self.base_size, pieces)
        self.base = SimpleNamespace(prefix_ids=lambda: [1], token_bytes=lambda token: b"x" * (1 + token % 5))
        self.new_tokens = [SimpleNamespace(id=self.base_size + i, pieces=p, bytes=b"x") for i, p in enumerate(pieces)]

    def documents(self, count, *, every, median=300, longest=768, spread=0.5, seed=0):
        """Windows of random ids, lengths spread like documents', one in `every` ids new."""
        draw = random.Random(seed)
        windows = []
        while len(windows) < count:
            length = min(longest, max(32, int(draw.lognormvariate(math.log(median), spread))))
            ids = [1, *(draw.randrange(self.base_size, self.size) if draw.random() < 1 / every
                        else draw.randrange(1, self.base_size) for _ in range(length))]  # fmt: skip
            window = make_window(np.array(ids), self.decomposition, self.base_size)
            if window.first_new < len(window.student):
                windows.append(window)
        return windows


def llama(width=512, layers=8, vocabulary=32_000, *, dtype=torch.float32, inner=None, heads=8):
    """A Llama of random weights: for speed and memory their values do not matter."""
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=inner or int(width * 2.75), max_position_embeddings=2048, tie_word_embeddings=False,
    )  # fmt: skip
    torch.manual_seed(0)
    return LlamaForCausalLM(config).to(dtype).eval()


def grown(model, extension):
    """The model with rows for the new tokens, begun as their pieces' means."""
    grow(model, extension)
    initialise(model, extension)
    return model
