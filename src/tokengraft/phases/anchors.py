"""Which position of the teacher stands for a new token."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from tokengraft.registry import Registry
from tokengraft.training.windows import Ids, Window

Anchor: TypeAlias = Callable[[Window], Ids]
"""Window → for each student position, the teacher position that it is compared with."""

anchors: Registry[Anchor] = Registry("anchor")


@anchors.register("boundary", paper="both prefixes end at the same byte")
def boundary(window: Window) -> Ids:
    """The last piece: both have read the same text, and predict what comes after it."""
    return window.ends


@anchors.register("first-piece", paper="KL self-distillation thesis")
def first_piece(window: Window) -> Ids:
    """The first piece: the student, having read the whole token, is asked for its second piece. For comparison."""
    return np.concatenate([[0], window.ends[:-1] + 1])
