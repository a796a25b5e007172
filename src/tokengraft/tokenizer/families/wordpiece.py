"""WordPiece (BERT): the longest entry that fits, from the left."""

from tokengraft.tokenizer.families import Unsupported, families
from tokengraft.tokenizer.file import TokenizerFile

NAME = "WordPiece"


@families.register(NAME, paper="Devlin et al. 2019, https://arxiv.org/abs/1810.04805")
def wordpiece(file: TokenizerFile) -> Unsupported | None:
    """The longest match from the left; not extended."""
    model = file.document["model"]
    if "merges" in model or "continuing_subword_prefix" not in model:
        return None
    return Unsupported(
        NAME, "it takes the longest match from the left: a new entry can leave a rest that needs more tokens"
    )
