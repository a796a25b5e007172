"""Merges learned from counted words, over flat arrays."""

from tokengraft.tokenizer.merging.compose import Composer
from tokengraft.tokenizer.merging.learn import Learned, Merge, learn_merges, pieces_of
from tokengraft.tokenizer.merging.words import Words

__all__ = ["Composer", "Learned", "Merge", "Words", "learn_merges", "pieces_of"]
