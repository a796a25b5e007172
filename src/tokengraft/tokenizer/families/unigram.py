"""Unigram (T5, XLM-R, ALBERT): the most probable segmentation under a score for each entry."""

from tokengraft.tokenizer.families import Unsupported, families
from tokengraft.tokenizer.file import TokenizerFile

NAME = "Unigram"


@families.register(NAME, paper="Kudo 2018, https://arxiv.org/abs/1804.10959")
def unigram(file: TokenizerFile) -> Unsupported | None:
    """The best segmentation by scores; not extended."""
    if not isinstance(file.document["model"]["vocab"], list):
        return None
    return Unsupported(
        NAME, "it has scores instead of merges: a new entry competes with all others, so old text could change"
    )
