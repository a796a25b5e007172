"""WordPiece (BERT): the longest entry that fits, from the left.

A new entry that begins where old pieces would have begun is longer than they are and takes their place; but it may also
take letters that a longer word needs otherwise (`foo|##bar` gives `foobar`, and `foo|##barn` becomes `foobar|##n`), and
the rest can need more tokens than before. No theorem covers this: what differs is measured on every extension.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tokengraft.tokenizer.conservative import pinned_vocabulary, portable_config
from tokengraft.tokenizer.families import Unsupported, families
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.merging import Merge, Words
from tokengraft.tokenizer.model_alone import encoded_words, model_alone
from tokengraft.tokenizer.pinning import renumbered, unpinnable
from tokengraft.tokenizer.pretokens import Splitter, splitter_with
from tokengraft.tokenizer.spelling import components
from tokengraft.tokenizer.stretches import stretches

NAME = "WordPiece"

CUTTING = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
"""Pre-tokenizers that cut text at whitespace and drop it."""


@dataclass(frozen=True)
class WordPiece:
    """A WordPiece tokenizer that can be extended."""

    file: TokenizerFile
    name: str = NAME
    proved: bool = False
    chained: bool = False
    whole: bool = False
    byte_tokens: tuple[int, ...] = ()

    def join(self, left: str, right: str) -> str:
        """The entry that two neighbours make: the right one is inside a word, and loses its mark."""
        return left + right.removeprefix(self._prefix)

    def entries(self, text: str) -> list[str]:
        """The entries, one a word, that would spell `text` inside a longer one; a space before it begins a word."""
        words = self.splitter()(text)
        if words and not text[:1].isspace():
            words[0] = self._prefix + words[0]
        return words

    def sample(self, pretokens: Sequence[str]) -> str:
        """The text of pre-tokens with spaces between them."""
        return " ".join(pretokens)

    def splitter(self) -> Splitter:
        """Text to words."""
        first, later = stretches(self.file.document)
        return splitter_with(self.file, first, later)

    def words(self, counts: Mapping[str, int]) -> Words:
        """Words with their counts, encoded by the model alone; an unknown word joins nothing."""
        words = encoded_words(model_alone(self.file), counts)
        alone = np.zeros(self.file.size, bool)
        alone[self.file.vocabulary[self.file.document["model"]["unk_token"]]] = True
        return words.cut_at(alone)

    def encode_entries(self, entries: Sequence[str]) -> list[list[int]]:
        """Ids of entries where they may stand: those with the mark inside a word, where the library takes no text."""
        return [self._longest_matches(entry) for entry in entries]

    def _longest_matches(self, entry: str) -> list[int]:
        """The longest entry that fits, again and again; empty where none does."""
        vocabulary, rest, ids = self.file.vocabulary, entry, []
        while rest not in ("", self._prefix):
            least = len(self._prefix) if rest.startswith(self._prefix) else 0
            end = next((end for end in range(len(rest), least, -1) if rest[:end] in vocabulary), None)
            if end is None:
                return []
            ids.append(vocabulary[rest[:end]])
            rest = self._prefix + rest[end:]
        return ids

    def extended(self, merges: Sequence[Merge]) -> TokenizerFile:
        """The tokenizer with an entry for each merge, everything old where it was."""
        vocabulary = pinned_vocabulary(self.file.document, self.file.size)
        vocabulary |= {merge.token: merge.id for merge in merges}
        model = {**self.file.document["model"], "vocab": vocabulary}
        return self.file.replaced({**self.file.document, "model": model}, portable_config(self.file.config))

    @property
    def _prefix(self) -> str:
        return self.file.document["model"]["continuing_subword_prefix"]


@families.register(NAME, paper="Devlin et al. 2019, https://arxiv.org/abs/1810.04805")
def wordpiece(file: TokenizerFile) -> WordPiece | Unsupported | None:
    """The longest match from the left; extended by entries that take the place of their pieces, mostly."""
    model = file.document["model"]
    if "merges" in model or "continuing_subword_prefix" not in model:
        return None
    reason = next(_faults(file), None)
    return WordPiece(file) if reason is None else Unsupported(NAME, reason)


def _faults(file: TokenizerFile) -> Iterator[str]:
    """Why entries cannot be told apart or words not be found."""
    model = file.document["model"]
    if not model["continuing_subword_prefix"]:
        yield "it does not mark the inside of a word, so a new entry would stand in both places"
    if model.get("unk_token") not in model["vocab"]:
        yield "its unknown token has no entry, so text outside its alphabet cannot be encoded"
    steps = [step["type"] for step in components(file.document.get("pre_tokenizer"))]
    if CUTTING.isdisjoint(steps):
        yield "no step of its pre-tokenizer cuts text at whitespace, so there are no words to count"
    if "WordPiece" not in [step["type"] for step in components(file.document.get("decoder"))]:
        yield "its decoder does not join the pieces of a word, so decoding would show where tokens end"
    yield from renumbered(file)
    yield from unpinnable(file, matched=True)
