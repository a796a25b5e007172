"""Byte-level BPE (GPT-2, Llama-3, Qwen, DeepSeek, Mistral-Nemo): bytes, merges inside pre-tokens, no text unknown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tokenizers import Tokenizer

from tokengraft.tokenizer.conservative import extended_document, portable_config
from tokengraft.tokenizer.families import Unsupported, families
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.merging import Merge, Words
from tokengraft.tokenizer.model_alone import encoded, encoded_words, merges_alone, model_alone
from tokengraft.tokenizer.pinning import renumbered, unpinnable
from tokengraft.tokenizer.pretokens import Splitter, splitter_of
from tokengraft.tokenizer.spelling import BYTE_CHARACTERS, components, spell_all

NAME = "byte-level BPE"


@dataclass(frozen=True)
class ByteLevelBPE:
    """A byte-level BPE tokenizer that can be extended.

    With `ignore_merges` (Llama-3, Mistral-Nemo) a pre-token that is an entry is taken whole. A new token that merges
    make has the same pieces when it is taken whole, because BPE encodes a run of tokens alone as it does in a word. And
    an entry without merges stands for the base's encoding of that pre-token, wherever it is one.
    """

    file: TokenizerFile
    name: str = NAME
    proved: bool = True
    chained: bool = True
    byte_tokens: tuple[int, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether a pre-token that is an entry is taken whole: `ignore_merges`."""
        return bool(self.file.document["model"].get("ignore_merges"))

    def join(self, left: str, right: str) -> str:
        """The entry that two neighbours make."""
        return left + right

    def entries(self, text: str) -> list[str]:
        """The entries, one a pre-token, that would spell `text` where it stands inside a longer one."""
        # An added space would join what comes after it; a text that begins with one is left as it is.
        pretokens = self._splitter(text)
        leading = bool(pretokens) and pretokens[0].startswith(" ") and not text.startswith(" ")
        pretokens[:1] = [pretokens[0][1:]] if leading else pretokens[:1]
        return spell_all(filter(None, pretokens))

    def sample(self, pretokens: Sequence[str]) -> str:
        """The text of pre-tokens side by side."""
        return "".join(pretokens)

    def splitter(self) -> Splitter:
        """Text to pre-tokens as text."""
        return splitter_of(self.file)

    def words(self, counts: Mapping[str, int]) -> Words:
        """Pre-tokens (as text) with their counts, encoded by the model alone."""
        return encoded_words(self._model, counts, spell_all)

    def encode_entries(self, entries: Sequence[str]) -> list[list[int]]:
        """Ids of byte-level spellings, by the merges alone."""
        return encoded(self._merges_alone, entries)

    def extended(self, merges: Sequence[Merge]) -> TokenizerFile:
        """The tokenizer with the merges appended and everything old where it was."""
        document = extended_document(self.file.document, merges, self.file.size)
        return self.file.replaced(document, portable_config(self.file.config))

    @cached_property
    def _splitter(self) -> Splitter:
        return self.splitter()

    @cached_property
    def _model(self) -> Tokenizer:
        return model_alone(self.file)

    @cached_property
    def _merges_alone(self) -> Tokenizer:
        return merges_alone(self.file)


@families.register(NAME)
def byte_level_bpe(file: TokenizerFile) -> ByteLevelBPE | Unsupported | None:
    """Merges over the 256 bytes, inside pre-tokens; extended by appending merges."""
    model = file.document["model"]
    steps = [step["type"] for step in components(file.document.get("pre_tokenizer"))]
    if "merges" not in model or model.get("byte_fallback") or "ByteLevel" not in steps:
        return None
    reason = next(_faults(file, steps), None)
    return ByteLevelBPE(file) if reason is None else Unsupported(NAME, reason)


def _faults(file: TokenizerFile, steps: Sequence[str]) -> Iterator[str]:
    """Why an extension could change how old text is encoded."""
    model = file.document["model"]
    if model.get("dropout"):
        yield f"its merges are dropped at random (dropout {model['dropout']}), so no encoding is fixed"
    if model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"):
        yield "its entries carry a word prefix or suffix, which byte-level merges do not have"
    if steps.index("ByteLevel") != len(steps) - 1:
        yield f"its pre-tokenizer goes on after ByteLevel ({', '.join(steps)}), so pre-tokens are not whole characters"
    if "ByteLevel" not in [step["type"] for step in components(file.document.get("decoder"))]:
        yield "its decoder does not turn byte-level spelling back into text, so decoding would show where tokens end"
    missing = [character for character in BYTE_CHARACTERS if character not in model["vocab"]]
    if missing:
        yield f"{len(missing)} of the 256 bytes have no entry, so the base itself loses text"
    yield from renumbered(file)
    if model.get("ignore_merges"):
        yield from unpinnable(file, matched=True)
