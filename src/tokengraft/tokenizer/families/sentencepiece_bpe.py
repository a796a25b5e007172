"""SentencePiece BPE with byte fallback (Llama-2, Mistral, Gemma): merges over characters, unknown ones as bytes.

No pattern splits the text: the merges run over whole stretches, so the extension is conservative as it stands. What is
counted are words cut at pairs of characters that no old rule joins, and no new one may: before a space that follows
something else, around digits that the base keeps single, around characters of one byte that it spells as that byte.
Whether two neighbours are cut is told by these two alone, so a text encodes as its words do one by one, before and
after.

Where old rules run over the start of a word, or new ones shall (`lines`), neither spaces nor digits cut: what is
counted then are lines, for an end of line joins nothing.

A character that the base spells as several bytes may get an entry. It stands for those bytes wherever it occurs, for no
rule joins a byte to anything; and as no old rule knows it, rules that do come after all old ones.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property, lru_cache

from tokenizers import Tokenizer

from tokengraft.tokenizer.conservative import extended_document, portable_config
from tokengraft.tokenizer.consistency import merge_pairs
from tokengraft.tokenizer.families import Unsupported, families
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.merging import Merge, Words
from tokengraft.tokenizer.model_alone import encoded, encoded_words, merges_alone, model_alone
from tokengraft.tokenizer.pinning import renumbered, unpinnable
from tokengraft.tokenizer.pretokens import Splitter, splitter_with
from tokengraft.tokenizer.sentencepiece_model import extended_models
from tokengraft.tokenizer.spelling import SPACE, components
from tokengraft.tokenizer.stretches import StretchDivider, stretch_dividers

NAME = "SentencePiece BPE"
BYTE_TOKENS = [f"<0x{byte:02X}>" for byte in range(256)]


@dataclass(frozen=True)
class SentencePieceBPE:
    """A SentencePiece BPE tokenizer that can be extended. A `.model` beside it is extended too, to the same ids."""

    file: TokenizerFile
    name: str = NAME
    proved: bool = True
    chained: bool = True
    whole: bool = False
    lines: bool = False
    """Whether rules may run over the start of a word, so that lines are counted."""

    @cached_property
    def byte_tokens(self) -> tuple[int, ...]:
        """Ids of the 256 bytes."""
        return tuple(self.file.vocabulary[token] for token in BYTE_TOKENS)

    def join(self, left: str, right: str) -> str:
        """The entry that two neighbours make."""
        return left + right

    def entries(self, text: str) -> list[str]:
        """The entries, one a word, that would spell `text` where it stands inside a longer one."""
        return self.cut(text.replace(" ", SPACE))

    def cut(self, stretch: str) -> list[str]:
        """The words, or lines, of a stretch in the vocabulary's spelling."""
        return self._word_pattern.findall(stretch)

    def sample(self, pretokens: Sequence[str]) -> str:
        """The text of pre-tokens side by side."""
        return "".join(pretokens).replace(SPACE, " ")

    def splitter(self) -> Splitter:
        """Text to words in the vocabulary's spelling, a space as `▁`."""
        first, later = (
            StretchDivider(pipeline, self._word_pattern) for pipeline in stretch_dividers(self.file.document)
        )
        return splitter_with(self.file, first, later)

    def words(self, counts: Mapping[str, int]) -> Words:
        """Words with their counts, encoded by the model alone."""
        return encoded_words(model_alone(self.file), counts)

    def encode_entries(self, entries: Sequence[str]) -> list[list[int]]:
        """Ids of entries, by the merges alone."""
        return encoded(self._merges_alone, entries)

    def extended(self, merges: Sequence[Merge]) -> TokenizerFile:
        """The tokenizer with the merges appended and everything old where it was."""
        document = extended_document(self.file.document, merges, self.file.size)
        models = extended_models(self.file, [merge.token for merge in merges])
        return self.file.replaced(document, portable_config(self.file.config), models)

    @cached_property
    def _merges_alone(self) -> Tokenizer:
        return merges_alone(self.file)

    @cached_property
    def _word_pattern(self) -> "re.Pattern[str]":
        """Spaces with what follows, or a run of characters that can merge, or one that cannot; or such runs in a line.

        Alone stay decimals that no merge joins, but in lines, and those of one byte that have no entry, such as the end
        of a line: an entry would save nothing there, and a model knows the byte. Where it has one, ends of line are a
        run of their own in lines, unless old rules join them to something else.
        """
        joined = {character for pair in merge_pairs(self.file.document) for character in "".join(pair)}
        alphabet = {entry for entry in self.file.vocabulary if len(entry) == 1} - {SPACE}
        alone = _without_entry() - alphabet
        if not self.lines:
            single = {character for character in alphabet - joined if character.isdecimal()}
            run = _other_than({SPACE, *single, *alone})
            return re.compile(f"{SPACE}+{run}*|{run}+|.", re.DOTALL)
        ends = {"\n"} if "\n" in alphabet and not self._ends_are_joined else set()
        return re.compile("|".join([*(f"{end}+" for end in ends), f"{_other_than(alone | ends)}+", "."]), re.DOTALL)

    @cached_property
    def _ends_are_joined(self) -> bool:
        """Whether an old rule joins an end of line to something else."""
        return any("\n" in (made := "".join(pair)) and made.strip("\n") for pair in merge_pairs(self.file.document))


def _other_than(characters: Set[str]) -> str:
    """The set of all other characters, as a pattern."""
    return f"[^{''.join(map(re.escape, sorted(characters)))}]"


@lru_cache(maxsize=1)
def _without_entry() -> frozenset[str]:
    """What stays alone where it has no entry: characters of one byte, and decimals."""
    return frozenset(map(chr, range(0x80))) | frozenset(filter(str.isdecimal, map(chr, range(sys.maxunicode))))


@families.register(NAME)
def sentencepiece_bpe(file: TokenizerFile) -> SentencePieceBPE | Unsupported | None:
    """Merges over characters with byte fallback; extended by appending merges, and scores in its `.model`."""
    model = file.document["model"]
    if "merges" not in model or not model.get("byte_fallback"):
        return None
    reason = next(_faults(file), None)
    if reason is not None:
        return Unsupported(NAME, reason)
    return SentencePieceBPE(file, lines=any(pair[1][0] == SPACE != pair[0][-1] for pair in merge_pairs(file.document)))


def _faults(file: TokenizerFile) -> Iterator[str]:
    """Why an extension could change how old text is encoded or decoded."""
    model = file.document["model"]
    if model.get("dropout"):
        yield f"its merges are dropped at random (dropout {model['dropout']}), so no encoding is fixed"
    if model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"):
        yield "its entries carry a word prefix or suffix, which SentencePiece merges do not have"
    missing = [token for token in BYTE_TOKENS if token not in model["vocab"]]
    if missing:
        yield f"{len(missing)} of the 256 byte tokens are missing, so the base itself loses text"
    spelled = set(BYTE_TOKENS)
    joining = [pair for pair in merge_pairs(file.document) if not spelled.isdisjoint((*pair, "".join(pair)))]
    if joining:
        yield f"{len(joining)} of its merges, such as {joining[0]}, join lone bytes, which stand for no character"
    steps = [step["type"] for step in components(file.document.get("decoder"))]
    if "Fuse" not in steps or "ByteFallback" not in steps[: steps.index("Fuse")] or "Metaspace" in steps:
        yield f"its decoder ({', '.join(steps) or 'none'}) does not join tokens before it strips spaces"
    if "Strip" in steps and steps.index("Strip") < steps.index("Fuse"):
        yield "its decoder strips spaces of each token, so decoding would show where tokens end"
    yield from renumbered(file)
    yield from unpinnable(file, matched=bool(model.get("ignore_merges")))
