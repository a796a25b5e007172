"""Texts with and without `<|user|>` and `<|assistant|>`: what their own tokens cost more with the two among them."""

import gzip
import json
import random
from dataclasses import dataclass
from pathlib import Path

import rich
import torch
from torch.nn.functional import cross_entropy

from tokengraft.model.load import context_length
from tokengraft.special.hearing import written

CORPORA = Path(__file__).resolve().parents[2] / "shared" / "data" / "corpora"
REAL = {"model": "rich", "tinygpt-shakespeare-hf": "shakespeare", "chemts-gpt2-0.2m-smiles": "smiles"}
"""Where the real texts of a model come from, by the name of its folder; of the others' kind there are none here."""

LONG, COUNT, TURNS, SHORTEST = 400, 32, 128, 24
"""Tokens of a text, fewer where the context is shorter; texts of each kind, and pairs of them; the shortest text."""


def room(model):
    return min(LONG, context_length(model) - 3)


def ended(row, end):
    """A text up to its end token: behind that a model writes what nobody wrote."""
    return row[: row.index(end, 1) + 1] if end in row[1:] else row


def own_texts(model, tokenizer, size, count=COUNT, length=None):
    """Texts that the base writes itself, from its begin token to its end token where it has them."""
    generator = torch.Generator().manual_seed(3)
    begins = torch.randint(size, (2 * count, 1), generator=generator)
    if tokenizer.bos_token_id is not None:
        begins.fill_(tokenizer.bos_token_id)
    rows = written(model, begins, length or room(model), size, generator).tolist()
    return [row for row in (ended(row, tokenizer.eos_token_id) for row in rows) if len(row) >= SHORTEST][:count]


def sources(name):
    """Passages that others wrote: molecules, scenes, and the modules of a package that the bundled model never saw."""
    if name == "rich":
        return [path.read_text(encoding="utf-8") for path in sorted(Path(rich.__file__).parent.glob("*.py"))]
    with gzip.open(CORPORA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        passages = [json.loads(line)["text"] for line in lines]
    if name == "shakespeare":  # one play after the other; each text begins where a speech does
        return [speech for passage in passages for speech in windows(passage, "\n")]
    return passages


def windows(passage, edge, size=2000):
    """Parts of a long passage, each from the first edge behind a place to `size` characters on."""
    starts = range(0, max(1, len(passage) - size), size)
    return [passage[passage.find(edge, start) + 1 :][:size] for start in starts]


def real_texts(path, model, tokenizer, count=COUNT):
    """Texts of the kind that a model was trained on, none where the project's data has none of that kind."""
    name = REAL.get(Path(path).name)
    if name is None:
        return []
    begin = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    whole, width, found = name == "smiles", room(model), []
    passages = sources(name)
    random.Random(0).shuffle(passages)
    for passage in passages:
        ids = [*begin, *tokenizer(passage, add_special_tokens=False)["input_ids"]]
        if whole:
            ids.append(tokenizer.eos_token_id)
        known = tokenizer.unk_token_id is None or tokenizer.unk_token_id not in ids[1:]
        if known and (SHORTEST <= len(ids) <= width if whole else len(ids) >= width):
            found.append(ids[:width])
        if len(found) == count:
            break
    return found


@dataclass
class Placed:
    """A text with the two in it: `<|user|>` before everything but a begin token, `<|assistant|>` further on."""

    ids: list
    columns: list
    """Where each of the text's own tokens stands."""
    behind: list
    """Numbers of its own tokens that stand right behind one of the two."""


def placed(row, cut, tokenizer, user, assistant):
    """The text with the two in it, the second before its token number `cut`."""
    begin = int(row[0] == tokenizer.bos_token_id)
    ids = [*row[:begin], user, *row[begin:cut], assistant, *row[cut:]]
    columns = [place + (place >= begin) + (place >= cut) for place in range(len(row))]
    return Placed(ids, columns, [begin, cut])


def in_the_middle(texts, _):
    """Each text, and its middle."""
    return [(row, len(row) // 2) for row in texts]


def at_line_ends(texts, tokenizer):
    """Each text with the place, nearest to its middle, that a line or a sentence ends before; others are left out."""
    found = [(row, line_end(row, tokenizer, len(row) // 2)) for row in texts]
    return [(row, cut) for row, cut in found if cut is not None]


def between_two(texts, tokenizer):
    """The first halves of each text and the next one, joined as the turns of a conversation are, and where."""
    return [_joined(first, second, tokenizer) for first, second in zip(texts, [*texts[1:], *texts[:1]], strict=True)]


def _joined(first, second, tokenizer):
    before = first[: len(first) // 2]
    after = second[: len(second) // 2][int(second[0] == tokenizer.bos_token_id) :]
    return [*before, *after], len(before)


def line_end(row, tokenizer, middle):
    """The place nearest to the middle that a line, or else a sentence, ends before; None where there is none."""
    said = [tokenizer.decode([number]).rstrip(" ") for number in row]
    for marks in ("\n", (".", "!", "?")):
        ends = [place + 1 for place, text in enumerate(said[:-2]) if text.endswith(marks) and place > 1]
        if ends:
            return min(ends, key=lambda place: abs(place - middle))
    return None


@torch.no_grad()
def losses(model, ids):
    """The loss of each token but the first."""
    logits = model(torch.tensor([ids])).logits[0, :-1].float()
    return cross_entropy(logits, torch.tensor(ids[1:]), reduction="none")


@dataclass
class Cost:
    """What the two cost in texts of `length` tokens on average; in nats a text unless it is said otherwise."""

    texts: int
    length: float
    plain: float
    behind: float
    elsewhere: float
    spread: float
    """Standard error of the sum of the two."""

    @property
    def total(self):
        return self.behind + self.elsewhere

    def __str__(self):
        error = self.spread / self.plain
        return f"{100 * self.total / self.plain:+.2f} ± {100 * error:.2f} %"

    @property
    def enough(self):
        """Tokens of a text in which as many nats are 1 %."""
        return f"{100 * self.total / (self.plain / self.length):.0f}" if self.total > 0 else "any"


def cost(model, base, tokenizer, texts, user, assistant):
    """The cost of the two in texts, each with the place of the second; None where there is none."""
    rows = []
    for row, cut in texts:
        text = placed(row, cut, tokenizer, user, assistant)
        before = losses(base, row)
        # Its first token has no loss alone, and so none here.
        after = losses(model, text.ids)[[column - 1 for column in text.columns[1:]]]
        more = after - before
        near = [place - 1 for place in text.behind if place > 0]
        behind = more[near].sum()
        rows.append([len(row), before.sum(), behind, more.sum() - behind])
    if not rows:
        return None
    table = torch.tensor(rows, dtype=torch.float64)
    length, plain, behind, elsewhere = table.mean(0).tolist()
    spread = table[:, 2:].sum(1).std() / len(table) ** 0.5
    return Cost(len(table), length, plain, behind, elsewhere, float(spread))
