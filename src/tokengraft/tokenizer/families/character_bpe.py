"""BPE over plain characters: small models with an alphabet of their own (Shakespeare's characters, SMILES)."""

from tokengraft.tokenizer.families import Unsupported, families
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.spelling import components

NAME = "character BPE"


@families.register(NAME)
def character_bpe(file: TokenizerFile) -> Unsupported | None:
    """Merges over characters without bytes behind them; not extended."""
    model = file.document["model"]
    steps = [step["type"] for step in components(file.document.get("pre_tokenizer"))]
    if "merges" not in model or model.get("byte_fallback") or "ByteLevel" in steps:
        return None
    return Unsupported(
        NAME,
        f"its alphabet of {sum(len(entry) == 1 for entry in model['vocab'])} characters has no bytes behind it: text "
        "outside it is lost, and two tokenizations cannot be compared byte by byte",
    )
