"""WordLevel: every word is one token or unknown."""

from tokengraft.tokenizer.families import Unsupported, families
from tokengraft.tokenizer.file import TokenizerFile

NAME = "WordLevel"


@families.register(NAME)
def word_level(file: TokenizerFile) -> Unsupported | None:
    """Whole words only; not extended."""
    model = file.document["model"]
    if isinstance(model["vocab"], list) or "merges" in model or "continuing_subword_prefix" in model:
        return None
    return Unsupported(
        NAME, "a word outside its list is unknown and has no pieces, so there is nothing to build a token from"
    )
