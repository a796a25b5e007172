"""A text cut into pre-tokens, exactly as the tokenizer does it before any merge.

Added tokens cut the text first, each stretch between them is normalised, and the pre-tokenizer divides it. Two ways to
the same pieces: `regex.findall` with the tokenizer's own pattern (7 to 8 MB a CPU second) where the pipeline is one
pattern and a probe shows both engines to agree, and the pipeline itself (1.5 MB a second) otherwise. Unicode grows: on
characters that the tokenizers library's regex engine does not know yet, the fast way follows the newer tables.
"""

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import regex
from tokenizers import Tokenizer
from tokenizers.normalizers import Normalizer
from tokenizers.pre_tokenizers import PreTokenizer

from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.spelling import components, text_of_spelling

GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""What a `ByteLevel` pre-tokenizer with `use_regex` splits by, fixed in the library (Radford et al. 2019)."""

_MARKS = "aZzéßſøΩяא١१ก漢かカ한ﬁ²½ⅷ_-.'\"(#[]&|~^€😀\u0301\u200d\u00ad"
_GAPS = " \t\n\r\x0b\x0c\x1c\x1f\x85\u00a0\u2003\u2028\u3000\ufeff"
PROBE = "".join(f"a{c}1 {c}{c}'{c} 12345{c}'S\n{c}  x{c}{gap}{gap}b{gap}{c}\r\n " for c in _MARKS for gap in _GAPS)
"""Text in which two regex engines that read a pattern differently give themselves away."""


@dataclass(frozen=True, slots=True)
class PipelineDivider:
    """Divides by the tokenizers library, whatever the pipeline is."""

    pipeline: PreTokenizer

    def __call__(self, text: str) -> list[str]:
        """The pre-tokens of a stretch without added tokens."""
        return [text_of_spelling(piece) for piece, _ in self.pipeline.pre_tokenize_str(text)]


@dataclass(frozen=True, slots=True)
class PatternDivider:
    """Divides by one pattern whose matches cover the text; `exact` takes the texts where they do not."""

    pattern: "regex.Pattern[str]"
    prefix_space: bool
    exact: PipelineDivider

    def __call__(self, text: str) -> list[str]:
        """The pre-tokens of a stretch without added tokens."""
        spaced = f" {text}" if self.prefix_space and text and not text.startswith(" ") else text
        pieces = self.pattern.findall(spaced)
        return pieces if len("".join(pieces)) == len(spaced) else self.exact(text)


Divider = Callable[[str], list[str]]


@dataclass(frozen=True, slots=True)
class Cutter:
    """Cuts added tokens out of a text, with their flags (`lstrip`, `rstrip`, `single_word`), as the library does."""

    pattern: "re.Pattern[str]"
    """Finds the few texts that need more than a glance."""
    tokenizer: Tokenizer
    """The added tokens with a model that knows nothing: every stretch of text is the unknown token, id 0."""

    @classmethod
    def of(cls, tokens: Sequence[Mapping[str, Any]]) -> "Cutter":
        """The cutter for these added tokens, which are looked for in the text as it comes."""
        pattern = re.compile("|".join(re.escape(str(token["content"])) for token in tokens) or r"(?!)")
        added = [{**token, "id": number, "normalized": False} for number, token in enumerate(tokens, start=1)]
        nothing = {"type": "WordLevel", "vocab": {"\0": 0}, "unk_token": "\0"}
        document = {"version": "1.0", "added_tokens": added, "model": nothing}
        return cls(pattern, TokenizerFile(document).tokenizer)

    def __call__(self, text: str) -> list[tuple[int, int]]:
        """Where the stretches of `text` between added tokens begin and end, in characters."""
        if not self.pattern.search(text):
            return [(0, len(text))]
        found = self.tokenizer.encode(text, add_special_tokens=False)
        return [span for number, span in zip(found.ids, found.offsets, strict=True) if number == 0]


@dataclass(frozen=True, slots=True)
class Splitter:
    """Text to pre-tokens; small, and picklable, so that worker processes can have it.

    Added tokens are looked for twice, as the library does it: most in the text as it is, those marked `normalized` in
    what the normaliser makes of the rest.

    >>> from tokenizers import Tokenizer, models, pre_tokenizers
    >>> small = Tokenizer(models.BPE())
    >>> small.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    >>> splitter_of(TokenizerFile.load(small))("Hi there, café")
    ['Hi', ' there', ',', ' café']
    """

    cut: Cutter
    normalizer: Normalizer | None
    cut_normalised: Cutter
    divide: Divider
    divide_later: Divider
    """For stretches that do not begin the text, where that makes a difference."""

    def __call__(self, text: str) -> list[str]:
        """The pre-tokens of `text`, added tokens left out."""
        pretokens: list[str] = []
        for start, end in self.cut(text):
            stretch = _normalised(self.normalizer, text[start:end])
            for low, high in self.cut_normalised(stretch):
                divide = self.divide if start == low == 0 else self.divide_later
                pretokens.extend(divide(stretch[low:high]))
        return pretokens


def splitter_of(file: TokenizerFile) -> Splitter:
    """The splitter of a tokenizer whose pre-tokenizer ends in `ByteLevel`."""
    return splitter_with(file, _divider_of(file))


def splitter_with(file: TokenizerFile, divide: Divider, divide_later: Divider | None = None) -> Splitter:
    """The splitter of a tokenizer whose stretches between added tokens are divided so."""
    normalizer = file.tokenizer.normalizer
    as_is = [token for token in file.added_tokens if not token.get("normalized")]
    normalised = [
        {**token, "content": _normalised(normalizer, token["content"])}
        for token in file.added_tokens
        if token.get("normalized")
    ]
    return Splitter(Cutter.of(as_is), normalizer, Cutter.of(normalised), divide, divide_later or divide)


def _normalised(normalizer: Normalizer | None, text: str) -> str:
    return text if normalizer is None else normalizer.normalize_str(text)


def _divider_of(file: TokenizerFile) -> Divider:
    pipeline = file.tokenizer.pre_tokenizer
    assert pipeline is not None, "byte-level tokenizers have a pre-tokenizer"
    exact = PipelineDivider(pipeline)
    found = _single_pattern(list(components(file.document["pre_tokenizer"])))
    if found is None:
        return exact
    pattern = _compiled(found[0])
    if pattern is None:
        return exact
    fast = PatternDivider(pattern, found[1], exact)
    return fast if fast(PROBE) == exact(PROBE) else exact


def _single_pattern(steps: list[Mapping[str, Any]]) -> tuple[str, bool] | None:
    """(pattern, whether a space goes before the text) of a pipeline that splits once; None of any other."""
    *before, last = steps
    if not before and last.get("use_regex", True):
        return GPT2_PATTERN, last["add_prefix_space"]
    if len(before) != 1 or last.get("use_regex", True) or last["add_prefix_space"]:
        return None
    (split,) = before
    isolated = split["type"] == "Split" and split["behavior"] == "Isolated" and not split.get("invert")
    return (split["pattern"]["Regex"], False) if isolated and "Regex" in split["pattern"] else None


def _compiled(pattern: str) -> "regex.Pattern[str] | None":
    """The pattern under Python's `regex`, sets read as in Oniguruma; None where it has groups or matches nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            compiled = regex.compile(pattern, regex.V1)
        except (regex.error, Warning):
            return None
    return None if compiled.groups or compiled.match("") else compiled
