"""Merges learned from counted words, over flat arrays."""

from tokengraft.tokenizer.merging.compose import Composer
from tokengraft.tokenizer.merging.learn import CHARACTER, WHOLE, Learned, Merge, Unruled, learn_merges, pieces_of
from tokengraft.tokenizer.merging.words import Words

__all__ = ["CHARACTER", "WHOLE", "Composer", "Learned", "Merge", "Unruled", "Words", "learn_merges", "pieces_of"]
