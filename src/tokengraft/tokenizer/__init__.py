"""Tokenizers as values, new tokens chosen from counts, and extensions that are proved not to harm."""

from tokengraft.tokenizer.candidates import seen_as
from tokengraft.tokenizer.ceiling import Ceiling, ceiling, ceiling_of_texts
from tokengraft.tokenizer.checks import CheckResult, check_extension, require
from tokengraft.tokenizer.decomposition import Decomposition
from tokengraft.tokenizer.extend import count_corpus, extend_from_counts, extend_tokenizer
from tokengraft.tokenizer.extended import ExtendedTokenizer
from tokengraft.tokenizer.families import family_of, recognise
from tokengraft.tokenizer.fertility import Fertility, fertility
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.request import check_choices, token_choices
from tokengraft.tokenizer.tokens import NewToken, Reject

__all__ = [
    "Ceiling",
    "CheckResult",
    "Decomposition",
    "ExtendedTokenizer",
    "Fertility",
    "NewToken",
    "Reject",
    "TokenizerFile",
    "ceiling",
    "ceiling_of_texts",
    "check_choices",
    "check_extension",
    "count_corpus",
    "extend_from_counts",
    "extend_tokenizer",
    "family_of",
    "fertility",
    "recognise",
    "require",
    "seen_as",
    "token_choices",
]
