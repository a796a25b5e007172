"""Unigram (T5, XLM-R, ALBERT): the most probable segmentation under a score for each entry.

There are scores instead of merges, and entries compete. A new entry of k base pieces gets the sum of their scores and
ε(k − 1): it wins where its pieces would have come out, and of two ways to join pieces the one with fewer tokens. The
best segmentation can change only where another comes within ε for each piece joined: a near tie. That these are few is
measured on every extension, not proved.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tokengraft.tokenizer.conservative import portable_config
from tokengraft.tokenizer.families import Unsupported, families
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.merging import Merge, Words, pieces_of
from tokengraft.tokenizer.model_alone import encoded, encoded_words, model_alone
from tokengraft.tokenizer.pinning import renumbered, unpinnable
from tokengraft.tokenizer.pretokens import Splitter, splitter_with
from tokengraft.tokenizer.sentencepiece_model import extended_models
from tokengraft.tokenizer.spelling import SPACE, components
from tokengraft.tokenizer.stretches import stretches

NAME = "Unigram"

EPSILON = 2e-3
"""What a new entry scores above its pieces, for each boundary that it closes. Near ties grow with it."""

SPREAD = 0.25
"""The share of ε that the last merge's entry gets less than the first's: of two ways to close as many boundaries
(`exon|s.`, `exons|.`) the earlier, more frequent entries win, and not the rounding of the sum, which the sentencepiece
library does otherwise. Below 1, so that an entry still wins over every way to make it of others."""


@dataclass(frozen=True)
class Unigram:
    """A Unigram tokenizer that can be extended. A `.model` beside it is extended too."""

    file: TokenizerFile
    name: str = NAME
    proved: bool = False
    chained: bool = False
    whole: bool = False
    byte_tokens: tuple[int, ...] = ()

    def join(self, left: str, right: str) -> str:
        """The entry that two neighbours make."""
        return left + right

    def entries(self, text: str) -> list[str]:
        """The entries, one a word, that would spell `text` where it stands inside a longer one."""
        return re.findall(f"{SPACE}?[^{SPACE}]+|{SPACE}", text.replace(" ", SPACE))

    def sample(self, pretokens: Sequence[str]) -> str:
        """The text of pre-tokens side by side."""
        return "".join(pretokens).replace(SPACE, " ")

    def splitter(self) -> Splitter:
        """Text to pre-tokens in the vocabulary's spelling, a space as `▁`."""
        first, later = stretches(self.file.document)
        return splitter_with(self.file, first, later)

    def words(self, counts: Mapping[str, int]) -> Words:
        """Pre-tokens with their counts, encoded by the model alone; what is unknown or a byte is a word of its own."""
        words = encoded_words(model_alone(self.file), counts)
        return words.cut_at(self._alone())

    def encode_entries(self, entries: Sequence[str]) -> list[list[int]]:
        """Ids of entries, by the scores alone."""
        return encoded(model_alone(self.file), entries)

    def extended(self, merges: Sequence[Merge]) -> TokenizerFile:
        """The tokenizer with an entry for each merge, everything old where it was."""
        model = self.file.document["model"]
        old = [*model["vocab"], *self._pinned()]
        scores = self._scores(merges)
        new = [[merge.token, score] for merge, score in zip(merges, scores, strict=True)]
        assert [merge.id for merge in merges] == list(range(len(old), len(old) + len(new))), "new ids follow old ones"
        document = {**self.file.document, "model": {**model, "vocab": [*old, *new]}}
        tokens = [merge.token for merge in merges]
        return self.file.replaced(
            document, portable_config(self.file.config), extended_models(self.file, tokens, scores)
        )

    def _scores(self, merges: Sequence[Merge]) -> list[float]:
        """Sum of the pieces' scores + ε(k − 1), for each merge, less a little more from the first to the last."""
        scores = [score for _, score in self.file.document["model"]["vocab"]]
        ranks = np.linspace(0, EPSILON * SPREAD, len(merges)).tolist()
        return [
            sum(scores[piece] for piece in pieces) + EPSILON * (len(pieces) - 1) - rank
            for pieces, rank in zip(pieces_of(merges), ranks, strict=True)
        ]

    def _pinned(self) -> list[list[object]]:
        """Entries for added tokens that stand outside the vocabulary, which would be numbered anew behind the new ones.

        They get the lowest score that there is; text that holds them is cut before it comes to the model.
        """
        vocabulary = self.file.document["model"]["vocab"]
        lowest = min(score for _, score in vocabulary)
        return [[self.file.tokens[number], lowest] for number in range(len(vocabulary), self.file.size)]

    def _alone(self) -> np.ndarray:
        model = self.file.document["model"]
        alone = np.zeros(self.file.size, bool)
        alone[model["unk_id"]] = True
        if model.get("byte_fallback"):
            alone[[self.file.vocabulary[f"<0x{byte:02X}>"] for byte in range(256)]] = True
        return alone


@families.register(NAME, paper="Kudo 2018, https://arxiv.org/abs/1804.10959")
def unigram(file: TokenizerFile) -> Unigram | Unsupported | None:
    """The best segmentation by scores; extended by entries that win where their pieces would, up to near ties."""
    if not isinstance(file.document["model"]["vocab"], list):
        return None
    reason = next(_faults(file), None)
    return Unigram(file) if reason is None else Unsupported(NAME, reason)


def _faults(file: TokenizerFile) -> Iterator[str]:
    """Why there are no words to count, or why decoding would change."""
    model = file.document["model"]
    if model.get("unk_id") is None:
        yield "it names no unknown token, so text outside its alphabet cannot be encoded"
    steps = list(components(file.document.get("pre_tokenizer")))
    if not any(step["type"] == "Metaspace" and step.get("split", True) for step in steps):
        yield "no step of its pre-tokenizer cuts text at spaces, so there are no words to count"
    if "Metaspace" not in [step["type"] for step in components(file.document.get("decoder"))]:
        yield "its decoder does not turn ▁ back into spaces, so decoding would show where tokens end"
    within = [entry for entry, _ in model["vocab"] if SPACE in entry[1:]]
    if within:
        yield f"{len(within)} of its entries, such as {within[0]!r}, hold a space that its words cannot hold"
    yield from renumbered(file)
    yield from unpinnable(file, matched=True)
