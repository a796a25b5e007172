"""Byte-level BPE (GPT-2, Llama-3, Qwen, DeepSeek, Mistral-Nemo): bytes, merges inside pre-tokens, no text unknown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tokenizers import Tokenizer

from tokengraft.tokenizer.conservative import extended_document, portable_config
from tokengraft.tokenizer.families import Unsupported, families
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.merging import Merge, Words
from tokengraft.tokenizer.pretokens import Splitter, splitter_of
from tokengraft.tokenizer.spelling import BYTE_CHARACTERS, components, spell

NAME = "byte-level BPE"
BATCH = 20_000
"""Pre-tokens encoded in one call: enough for all cores, little enough that the library's encodings stay small."""


@dataclass(frozen=True)
class ByteLevelBPE:
    """A byte-level BPE tokenizer that can be extended.

    With `ignore_merges` (Llama-3, Mistral-Nemo) a pre-token that is an entry is taken whole. New tokens still need
    their merges, for they occur inside longer pre-tokens too; taken whole, a new token has the same pieces, because BPE
    encodes a run of tokens alone as it does in a word.
    """

    file: TokenizerFile
    name: str = NAME

    def splitter(self) -> Splitter:
        """Text to pre-tokens as text."""
        return splitter_of(self.file)

    def words(self, counts: Mapping[str, int]) -> Words:
        """Pre-tokens (as text) with their counts, encoded by the model alone."""
        spelled = [spell(pretoken.encode("utf-8")) for pretoken in counts]
        return Words.of(_encoded(self._model, spelled), list(counts.values()))

    def encode_entries(self, entries: Sequence[str]) -> list[list[int]]:
        """Ids of byte-level spellings, by the merges alone."""
        return _encoded(self._merges_alone, entries)

    def extended(self, merges: Sequence[Merge]) -> TokenizerFile:
        """The tokenizer with the merges appended and everything old where it was."""
        document = extended_document(self.file.document, merges, self.file.size)
        return self.file.replaced(document, portable_config(self.file.config))

    @property
    def _model(self) -> Tokenizer:
        """The model alone, shared with the tokenizer: what it is given is one pre-token, already spelled."""
        return Tokenizer(self.file.tokenizer.model)

    @cached_property
    def _merges_alone(self) -> Tokenizer:
        model = self.file.document["model"]
        if not model.get("ignore_merges"):
            return self._model
        # The library shares a model instead of copying it, so the flag cannot be switched in place.
        return TokenizerFile(
            {"version": "1.0", "added_tokens": [], "model": {**model, "ignore_merges": False}}
        ).tokenizer


def _encoded(model: Tokenizer, spelled: Sequence[str]) -> list[list[int]]:
    ids: list[list[int]] = []
    for start in range(0, len(spelled), BATCH):
        batch = list(spelled[start : start + BATCH])
        ids.extend(encoding.ids for encoding in model.encode_batch_fast(batch, add_special_tokens=False))
    return ids


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
    yield from _renumbered(file)
    yield from _unpinnable(file)


def _renumbered(file: TokenizerFile) -> Iterator[str]:
    """Added tokens that the library gives another id than the file does, as it does past gaps, in silence."""
    loaded = {token.content: number for number, token in file.tokenizer.get_added_tokens_decoder().items()}
    for token in file.added_tokens:
        content, number = token["content"], token["id"]
        if loaded.get(content) != number:
            yield f"its file gives {content!r} id {number}, the tokenizers library loads it as id {loaded.get(content)}"


def _unpinnable(file: TokenizerFile) -> Iterator[str]:
    """Added tokens that a pre-token could equal, once they stand in the vocabulary for their id's sake."""
    if not file.document["model"].get("ignore_merges"):
        return
    for token in file.added_tokens:
        content = token["content"]
        if token.get("single_word") and content not in file.document["model"]["vocab"]:
            yield f"added token {content!r} matches whole words only, but must enter the vocabulary to keep its id"
