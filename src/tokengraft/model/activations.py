"""What a pass with a graph must keep under a frozen base, by arithmetic: how many tokens fit a budget."""

from dataclasses import dataclass
from typing import Any

LOGITS = 4
"""Arrays of logits that a chunk has at its peak: student, teacher, and a probability of each."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes that count."""

    width: int
    key_value_width: int
    inner: int
    layers: int
    itemsize: int
    """Bytes of a number that the model computes in."""

    @classmethod
    def of(cls, model: Any) -> "Shape":
        """That of a model, from its settings."""
        config = model.config.get_text_config()
        width, heads = config.hidden_size, config.num_attention_heads
        head_width = getattr(config, "head_dim", None) or width // heads
        pairs = (getattr(config, "num_key_value_heads", None) or heads) * head_width
        inner = getattr(config, "intermediate_size", None) or getattr(config, "n_inner", None) or 4 * width
        return cls(width, pairs, inner, config.num_hidden_layers, model.dtype.itemsize)

    def bytes_per_token(self, *, checkpointing: bool = False) -> int:
        """What autograd keeps of one token in all layers.

        A layer keeps 6·d + 2·d_kv + 3·d_ff numbers: inputs of both norms and normalised, queries and the attention's
        output, keys and values, the two halves of the gated product and their result. With checkpointing its input, and
        one layer in full.

        >>> Shape(512, 512, 1408, 8, 2).bytes_per_token()
        133120
        """
        layer = 6 * self.width + 2 * self.key_value_width + 3 * self.inner
        if checkpointing:
            return self.itemsize * (self.layers * self.width + layer)
        return self.itemsize * self.layers * layer


def chunk_bytes(vocabulary: int, chunk: int) -> int:
    """What the losses of one chunk hold at their peak, in float32.

    >>> chunk_bytes(32_000, 256)
    131072000
    """
    return LOGITS * 4 * vocabulary * chunk
