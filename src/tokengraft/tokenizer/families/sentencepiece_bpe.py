"""SentencePiece BPE with byte fallback (Llama-2, Mistral, Gemma): merges over characters, unknown ones as bytes."""

from tokengraft.tokenizer.families import Unsupported, families
from tokengraft.tokenizer.file import TokenizerFile

NAME = "SentencePiece BPE"


@families.register(NAME)
def sentencepiece_bpe(file: TokenizerFile) -> Unsupported | None:
    """Merges over characters with byte fallback; not extended."""
    model = file.document["model"]
    if "merges" not in model or not model.get("byte_fallback"):
        return None
    return Unsupported(
        NAME,
        "its merges run over whole lines and know lone bytes only as a fallback, so new merges need cuts of their own "
        "(at byte tokens, digits and spaces) and scores in tokenizer.model, which are not written here",
    )
