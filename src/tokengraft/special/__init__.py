"""Control tokens and whole words, added safely to a model and its tokenizer, and taken back."""

from tokengraft.special.api import Added, add_special_tokens, add_words, remove_special_tokens
from tokengraft.special.request import SpecialToken

__all__ = ["Added", "SpecialToken", "add_special_tokens", "add_words", "remove_special_tokens"]
