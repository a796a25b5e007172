"""Does a training set use the new tokens: how often, as single ids, where the template has them; and which never."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tokengraft.errors import CorpusError
from tokengraft.special.chat import TEMPLATE
from tokengraft.special.rendering import Renderer
from tokengraft.special.vetting import holder_of
from tokengraft.tokenizer import TokenizerFile

ENOUGH = 100
"""Occurrences below which a token is called rare: a row of its own learns from these alone."""

BATCH = 256

Item = str | Sequence[Mapping[str, Any]]
"""A text, or a conversation: messages with `role` and `content`."""


@dataclass(frozen=True, slots=True)
class Use:
    """How a training set uses one token."""

    token: str
    id: int
    role: str
    count: int
    """Occurrences as this id."""
    documents: int
    """Texts or conversations that have it."""
    split: int
    """Occurrences of its text that came out as other ids."""
    misplaced: int
    """Occurrences after a control token that it does not follow in the chat template."""
    verdict: str
    """`fine`, `rare`, `never`, `split`, `misplaced`; a pad token is fine where it never occurs."""


@dataclass(frozen=True, slots=True)
class DataReport:
    """What a training set does with the tokens."""

    documents: int
    tokens: int
    uses: tuple[Use, ...]
    ended: int
    """Documents whose last control token is the end token: from them a model learns to stop."""
    eos: str | None

    @property
    def problems(self) -> tuple[Use, ...]:
        """Tokens with another verdict than fine."""
        return tuple(use for use in self.uses if use.verdict != "fine")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def check_data(
    tokenizer: Any, data: Any, tokens: Mapping[str, int] | None = None, *, enough: int = ENOUGH
) -> DataReport:
    """What `data` does with `tokens` (by default every control token of the tokenizer).

    `data`: the path of a JSON Lines file with `text` or `messages`, or an iterable of texts and conversations.
    Conversations are written out by the tokenizer's chat template.

    Raises:
        CorpusError: there is no text, or a record holds neither a text nor messages.
        TokenizerError: there are conversations, and the tokenizer has no chat template.
    """
    file = TokenizerFile.load(tokenizer)
    special = {token["content"]: token["id"] for token in file.added_tokens if token.get("special")}
    chosen = dict(special if tokens is None else tokens)
    counts = _Counts(file, chosen, special)
    for items in _batches(read_items(data) if isinstance(data, str | Path) else data):
        counts.take(items)
    if not counts.documents:
        raise CorpusError(found="no text in the training set", expected="texts or conversations", do="check the path")
    return counts.report(enough)


def read_items(path: str | Path) -> Iterator[Item]:
    """The text or the messages of each line.

    Raises:
        CorpusError: the file cannot be read, or a line holds neither.
    """
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _item(line, f"{path}, line {number}")
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(found=f"{path}: {error}", expected="JSON Lines in UTF-8", do="check the path") from error


def _item(line: str, where: str) -> Item:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise CorpusError(found=f"{where}: {error}", expected="a JSON object a line", do="mend that line") from error
    for field, kind in (("messages", list), ("conversation", list), ("text", str)):
        if isinstance(record, dict) and isinstance(record.get(field), kind):
            return record[field]
    raise CorpusError(
        found=f"{where}, which has neither `text` nor `messages`",
        expected='{"text": "..."} or {"messages": [{"role": "user", "content": "..."}]}',
        do="rename the field",
    )


class _Counts:
    def __init__(self, file: TokenizerFile, chosen: Mapping[str, int], special: Mapping[str, int]) -> None:
        self.file, self.chosen = file, chosen
        self.renderer = Renderer(file)
        self.patterns = {number: _pattern(token, special, chosen) for token, number in chosen.items()}
        self.control = set(special.values())
        template = file.companions.get(TEMPLATE) or file.config.get("chat_template")
        self.follows = self.renderer.successions(self.control) if template else None
        self.count: Counter[int] = Counter()
        self.in_documents: Counter[int] = Counter()
        self.in_text: Counter[int] = Counter()
        self.misplaced: Counter[int] = Counter()
        self.documents = self.tokens = self.ended = 0

    def take(self, items: Sequence[Item]) -> None:
        texts = [item if isinstance(item, str) else self.renderer.render(item) for item in items]
        for text, ids in zip(texts, self.file.encode(texts), strict=True):
            self.documents += 1
            self.tokens += len(ids)
            self.count.update(ids)
            self.in_documents.update(set(ids))
            for number, pattern in self.patterns.items():
                self.in_text[number] += sum(1 for _ in pattern.finditer(text))
            self._follow([number for number in ids if number in self.control])

    def _follow(self, control: Sequence[int]) -> None:
        if control and control[-1] == self.file.eos_id:
            self.ended += 1
        if self.follows is not None:
            pairs = zip([None, *control], control, strict=False)
            self.misplaced.update(pair[1] for pair in pairs if pair not in self.follows)

    def report(self, enough: int) -> DataReport:
        uses = tuple(self._use(token, number, enough) for token, number in self.chosen.items())
        return DataReport(self.documents, self.tokens, uses, self.ended, holder_of(self.file, "eos"))

    def _use(self, token: str, number: int, enough: int) -> Use:
        role = next((r for r in ("pad", "bos", "eos", "unk") if holder_of(self.file, r) == token), "additional")
        count, split = self.count[number], max(0, self.in_text[number] - self.count[number])
        misplaced = self.misplaced[number] if number in self.control else 0
        verdict = _verdict(role, count, split, misplaced, enough)
        return Use(token, number, role, count, self.in_documents[number], split, misplaced, verdict)


def _pattern(token: str, special: Collection[str], chosen: Collection[str]) -> re.Pattern[str]:
    """Where a token's text stands: a word not inside a longer one, nor where its form with a space stands."""
    if token in special:
        return re.compile(re.escape(token))
    before = r"(?<![\w ])" if f" {token}" in chosen else r"(?<!\w)" if re.match(r"\w", token) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", token) else ""
    return re.compile(before + re.escape(token) + after)


def _verdict(role: str, count: int, split: int, misplaced: int, enough: int) -> str:
    if split:
        return "split"
    if role == "pad":
        return "misplaced" if count else "fine"
    if not count:
        return "never"
    if misplaced:
        return "misplaced"
    return "fine" if count >= enough else "rare"


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
