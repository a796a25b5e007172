"""Texts with and without new control tokens: where the tokens stand, and which prediction answers to which."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from tokengraft.errors import ConfigError, CorpusError
from tokengraft.model.load import context_length
from tokengraft.special.chat import TEMPLATE
from tokengraft.special.data_check import read_items
from tokengraft.special.hearing import WIDTH, written
from tokengraft.special.plan import Plan
from tokengraft.special.rendering import Renderer

OWN, NONE = "own", "no"
"""In the place of texts: the model writes them itself, or nothing is settled."""

TEXTS, OWN_TEXTS, SHORTEST = 64, 96, 4
"""As many texts are read, and as many written; each has so many tokens or more."""

PER_TEXT = 4
"""Tokens put into one text at most."""


@dataclass(frozen=True, slots=True)
class Text:
    """One text in old ids, and where its tokens stand: `places` are none where they may stand anywhere."""

    ids: tuple[int, ...]
    places: tuple[tuple[int, int], ...] = ()
    """(number of the text's own tokens before it, id of the token)."""
    turn: int | None = None
    """Tokens before the second text, where two that have nothing to do with one another were joined."""

    def cut(self, width: int) -> "Text":
        """Its first `width` tokens, with what stands among them."""
        turn = self.turn if self.turn is not None and self.turn < width else None
        return Text(self.ids[:width], tuple(place for place in self.places if place[0] < width), turn)


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts with the tokens in them, padded on the right; and each token of their own but a text's first, in order."""

    ids: Int[Tensor, "rows width"]
    row: Int[Tensor, " predictions"]
    column: Int[Tensor, " predictions"]
    """Where it is predicted: the column before its own."""
    target: Int[Tensor, " predictions"]
    behind: Tensor
    """Whether it stands right behind one of the tokens."""


def settled_tokens(plan: Plan) -> list[int]:
    """Ids of the control tokens without a role, in the order in which the chat template first writes them.

    They stand between texts; the others have a place and a meaning already, or none.
    """
    chosen = [plan.file.ids[token.content] for token in plan.tokens if token.role == "additional"]
    if not (chosen and (plan.file.companions.get(TEMPLATE) or plan.file.config.get("chat_template"))):
        return chosen
    follows = Renderer(plan.file).successions(chosen)
    first = [number for number in chosen if (None, number) in follows]
    return [*first, *(number for number in chosen if number not in first)]


def asked_texts(plan: Plan, texts: Any) -> list[Text] | None:
    """What tokens are to be settled on: None for not at all, nothing where the model is to write the texts itself.

    Otherwise texts of a file (JSON Lines with `text` or `messages`, or plain text), or of an iterable of such items.
    `texts` None is as `own` where there are tokens to settle, and as `no` where there are none.

    Conversations are written out by the chat template. Where a text has the tokens, they keep their places.

    Raises:
        ConfigError: there is no token to settle.
        CorpusError: the file cannot be read, or no text has enough tokens.
        TokenizerError: there are conversations, and the tokenizer has no chat template.
    """
    if texts is False or texts == NONE:
        return None
    tokens = settled_tokens(plan)
    if texts is None:
        return [] if tokens else None
    if not tokens:
        raise ConfigError(
            found="settling, and no token that stands between texts",
            expected="control tokens without a role, such as <|user|>",
            do="add one, or leave settling out: pad, begin and end tokens and words need none",
        )
    if texts is True or texts == OWN:
        return []
    items = _items(texts) if isinstance(texts, str | Path) else iter(texts)
    renderer = Renderer(plan.file)
    written = (item if isinstance(item, str) else renderer.render(item) for item in items)
    made = (_without(ids, tokens, plan.base_size) for text in written for ids in plan.file.encode([text]))
    found = list(islice((text for text in made if len(text.ids) >= SHORTEST), TEXTS))
    if not found:
        raise CorpusError(
            found=f"no text of {SHORTEST} tokens or more to settle the new tokens on",
            expected="texts such as the tokens will stand in",
            do=f"give other texts, or {OWN!r}: then the model writes them itself",
        )
    return found


def _items(path: str | Path) -> Iterable[Any]:
    path = Path(path)
    if path.suffix.lower() in {".jsonl", ".json"}:
        return read_items(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(found=f"{path}: {error}", expected="text in UTF-8", do="check the path") from error
    return [part for part in text.split("\n\n") if part.strip()]


def own_texts(
    model: Any, tokens: Sequence[int], base_size: int, begin: int | None, end: int | None, seed: int
) -> list[Text]:
    """Texts that the model writes itself, each from its begin token to its end token where it has them.

    Every third one is two beginnings joined, as a question and an answer are: there the tokens stand where one ends and
    the other begins. What a model goes on writing behind its end token is like nothing that it was trained on.
    """
    generator = torch.Generator().manual_seed(seed)
    begins = torch.randint(base_size, (OWN_TEXTS, 1), generator=generator)
    if begin is not None:
        begins.fill_(begin)
    width = width_of(model, len(tokens))
    rows = written(model, begins, width, base_size, generator).tolist()
    whole = [row for row in (_ended(row, end) for row in rows) if len(row) >= SHORTEST] or rows
    texts = []
    for number, row in enumerate(whole):
        texts.append(Text(tuple(row)))
        if number % 2:
            texts.append(_joined(whole[number - 1], row, width // 2, begin, end))
    return texts


def _joined(first: list[int], second: list[int], most: int, begin: int | None, end: int | None) -> Text:
    """The beginnings of two texts as one, without an end token between them and without a second begin token."""
    before = first[: max(most, 1)]
    before = before[:-1] if len(before) > 1 and before[-1] == end else before
    after = second[second[0] == begin :][: max(most, 1)]
    return Text((*before, *after), turn=len(before))


def _ended(row: list[int], end: int | None) -> list[int]:
    """The row up to its end token; a first token that is the end token as well does not end it."""
    return row[: row.index(end, 1) + 1] if end in row[1:] else row


def width_of(model: Any, tokens: int) -> int:
    """Tokens of a text, with room for those that are put into it."""
    return min(WIDTH, context_length(model) - min(PER_TEXT, tokens))


def _without(ids: Sequence[int], tokens: Collection[int], base_size: int) -> Text:
    """The text in old ids alone; other new ids, as of words, are left out of it too."""
    kept: list[int] = []
    places: list[tuple[int, int]] = []
    for number in ids:
        if number in tokens:
            places.append((len(kept), number))
        elif number < base_size:
            kept.append(number)
    return Text(tuple(kept), tuple(places)).cut(WIDTH)


def batch_of(texts: Sequence[Text], tokens: Sequence[int], begin: int | None, generator: torch.Generator) -> Batch:
    """The texts with their tokens; where a text says no places, they are drawn: the first token begins the text."""
    rows: list[list[int]] = []
    found: list[list[tuple[int, int, int, bool]]] = []
    for number, text in enumerate(texts):
        ids, columns = _inserted(text, text.places or _drawn(text, tokens, begin, generator))
        rows.append(ids)
        found.append([
            (number, columns[place] - 1, text.ids[place], columns[place] - columns[place - 1] > 1)
            for place in range(1, len(text.ids))
        ])  # fmt: skip
    width = max(map(len, rows))
    padded = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])
    parts = [torch.tensor(part) for part in zip(*(entry for entries in found for entry in entries), strict=True)]
    return Batch(padded, *parts)


def _inserted(text: Text, places: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Ids with the tokens, and the column of each of the text's own."""
    ids: list[int] = []
    columns: list[int] = []
    waiting = sorted(places, key=lambda place: place[0])
    for place, number in enumerate(text.ids):
        while waiting and waiting[0][0] == place:
            ids.append(waiting.pop(0)[1])
        columns.append(len(ids))
        ids.append(number)
    return [*ids, *(token for _, token in waiting)], columns


def _drawn(text: Text, tokens: Sequence[int], begin: int | None, generator: torch.Generator) -> list[tuple[int, int]]:
    """Some of the tokens in their order: the first of them where the text begins, the others somewhere behind."""
    count = min(PER_TEXT if text.turn is None else 2, len(tokens), len(text.ids) - 2)
    chosen = sorted(torch.randperm(len(tokens), generator=generator)[:count].tolist())
    start = int(text.ids[0] == begin)
    if text.turn is not None:
        return [(cut, tokens[place]) for cut, place in zip((start, text.turn)[-count:], chosen, strict=True)]
    cuts = (torch.randperm(len(text.ids) - start - 1, generator=generator)[:count] + start + 1).sort().values.tolist()
    if chosen and chosen[0] == 0:
        cuts[0] = start
    return [(cut, tokens[place]) for cut, place in zip(cuts, chosen, strict=True)]
