"""Tokens over several pre-tokens.

The split pattern of byte-level BPE lets no merge pass its edges; superwords are entered into the pattern itself
(`superword_bpe`). In SentencePiece BPE nothing keeps merges from going on over spaces but the choice of what is counted
(`over_spaces`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tokengraft.errors import ConfigError, TokenizerError
from tokengraft.tokenizer.candidates import Choice, Demand, methods, needs, views
from tokengraft.tokenizer.candidates.continued_bpe import learn, rejects_of
from tokengraft.tokenizer.candidates.over_spaces import over_spaces
from tokengraft.tokenizer.dividers import single_pattern
from tokengraft.tokenizer.families import Family
from tokengraft.tokenizer.families.byte_level_bpe import ByteLevelBPE
from tokengraft.tokenizer.families.sentencepiece_bpe import SentencePieceBPE
from tokengraft.tokenizer.merging import Merge, Words, learn_merges
from tokengraft.tokenizer.spelling import SPACE, spell
from tokengraft.tokenizer.stretches import stretches
from tokengraft.tokenizer.superword_bpe import SuperwordBPE
from tokengraft.tokenizer.tokens import SUPERWORD, Reject

REBUILT = ("qwen2",)
"""Model types whose tokenizer class in transformers builds its own pre-tokenizer, whatever the file says; where no
model's configuration tells the type, classes of that name."""


def as_superwords(family: Family) -> Family:
    """The tokenizer, if its pattern can be changed, or if it has none.

    Raises:
        TokenizerError: it cannot; the message says why.
    """
    if isinstance(family, SentencePieceBPE) and not _cuts_words(family):
        return replace(family, lines=True)
    reason = next(_faults(family), None)
    if reason is not None:
        raise TokenizerError(
            found=f"{family.file.name}, a {family.name} tokenizer: {reason}",
            expected="byte-level BPE with one split pattern, in a class that loads the pattern as it is, or "
            "SentencePiece BPE whose pipeline cuts nowhere",
            do="choose another method, such as continued-bpe",
        )
    assert isinstance(family, ByteLevelBPE), "others have a fault"
    return SuperwordBPE(family.file)


def _cuts_words(family: SentencePieceBPE) -> bool:
    """Whether the pipeline cuts at spaces, as `Metaspace` with `split` does: no rule passes such a cut."""
    return any(len(divide(f"{SPACE}a{SPACE}b")) != 1 for divide in stretches(family.file.document))


def _require_counted(demand: Demand) -> None:
    """Returns where superwords are to be ranked by count, as they are.

    Raises:
        ConfigError: something else is asked for.
    """
    asked = {"scorer": demand.scorer != "count", "min_exposure": demand.min_exposure, "gain": demand.gain is not None}
    wrong = [name for name, given in asked.items() if given]
    if wrong:
        raise ConfigError(
            found=f"the method superwords with {' and '.join(wrong)}",
            expected="size, min_count and filters alone: superwords are ranked by how often they occur",
            do=f"leave {' and '.join(wrong)} out, or choose the method continued-bpe",
        )


views["superwords"] = as_superwords
needs["superwords"] = _require_counted


def _faults(family: Family) -> Iterator[str]:
    if not isinstance(family, ByteLevelBPE):
        cut = isinstance(family, SentencePieceBPE)
        yield "its pipeline cuts at spaces" if cut else "it has no split pattern that superwords could be entered into"
        return
    if single_pattern(family.file) is None:
        yield "its pre-tokenizer is not one pattern that can be read here, over the text as it is"
    config = Path(family.file.name) / "config.json"
    kind = json.loads(config.read_text(encoding="utf-8")).get("model_type") if config.is_file() else None
    own_class = str(family.file.config.get("tokenizer_class", "")).lower()
    if kind in REBUILT or (kind is None and own_class.startswith(REBUILT)):
        yield f"AutoTokenizer builds the class of {kind or own_class} with a pattern of its own, and drops any other"
    if family.file.document["model"].get("ignore_merges"):
        return
    unreached = [entry for entry, ids in _whole_entries(family) if len(ids) != 1]
    if unreached:
        yield f"{len(unreached)} of its entries, such as {unreached[0]!r}, are not reached by merges, and would be"


def _whole_entries(family: ByteLevelBPE) -> Iterator[tuple[str, list[int]]]:
    """Entries with their ids by the merges alone; added tokens are found before any merge."""
    added = {token["content"] for token in family.file.added_tokens}
    entries = [entry for entry in family.file.vocabulary if entry not in added]
    yield from zip(entries, family.encode_entries(entries), strict=True)


@methods.register("superwords", paper="after SuperBPE, Liu et al. 2025, https://arxiv.org/abs/2503.13423")
def superwords(family: Family, counts: Mapping[str, int], demand: Demand) -> Choice:
    """Runs of words inside a line become tokens beside ordinary merges, the more frequent first.

    Exact: in byte-level BPE through the split pattern and `ignore_merges` (such a tokenizer has no tiktoken form), in
    SentencePiece BPE, which has no pattern, as merges that go on over spaces, in its `.model` too.
    """
    if isinstance(family, SentencePieceBPE):
        return over_spaces(family, counts, demand)
    assert isinstance(family, SuperwordBPE), "seen as lines"
    lines = [(family.pretokens(line), count) for line, count in counts.items()]
    inside = _inside(lines)
    learned = learn(ByteLevelBPE(family.file), ByteLevelBPE(family.file).words(inside), demand)
    across, refused = _across(family, lines, demand, {merge.token for merge in learned.merges})
    ranked = sorted([*learned.merges, *across], key=lambda merge: -merge.count)[: demand.size]
    taken = {merge.token for merge in ranked}
    ordinary = [merge for merge in learned.merges if merge.token in taken]
    first = family.file.size + len(ordinary)
    over = [merge for merge in across if merge.token in taken]
    numbered = [replace(merge, id=first + place) for place, merge in enumerate(over)]
    left = [
        Reject(merge.token, family.file.entry_bytes(merge.token), None, merge.count, "not among the most frequent")
        for merge in [*learned.merges, *across]
        if merge.token not in taken
    ][:50]
    return Choice([*ordinary, *numbered], [*left, *refused, *rejects_of(family, learned, demand)])


Lines = Sequence[tuple[list[str], int]]


def _inside(lines: Lines) -> dict[str, int]:
    """Counts of the pre-tokens."""
    counts: dict[str, int] = {}
    for pretokens, count in lines:
        for pretoken in pretokens:
            counts[pretoken] = counts.get(pretoken, 0) + count
    return counts


def _across(family: SuperwordBPE, lines: Lines, demand: Demand, known: set[str]) -> tuple[list[Merge], list[Reject]]:
    """(superwords by BPE over pre-tokens, with their base ids; those that cannot be, with the reason)."""
    numbers: dict[str, int] = {}
    encoded = [
        [numbers.setdefault(pretoken, len(numbers)) for pretoken in line if "\n" not in pretoken] for line, _ in lines
    ]
    words = Words.of(encoded, [count for _, count in lines]).several_ids()
    learned = learn_merges(
        words,
        list(numbers),
        2 * demand.size,
        min_count=demand.min_count,
        refuse=lambda text: demand.refuse(text.encode()),
    )
    parts: dict[int, tuple[str, ...]] = {number: (text,) for text, number in numbers.items()}
    wanted: list[Merge] = []
    rejects: list[Reject] = []
    for merge in learned.merges:
        parts[merge.id] = parts[merge.left] + parts[merge.right]
        entry = spell(merge.token.encode("utf-8"))
        if entry in known or entry in family.file.ids:
            rejects.append(Reject(entry, merge.token.encode(), None, merge.count, "a token without superwords too"))
        elif family.guard(parts[merge.id]) is None:
            reason = "the split pattern may cut its end elsewhere, whatever follows"
            rejects.append(Reject(entry, merge.token.encode(), None, merge.count, reason))
        else:
            wanted.append(merge)
    # All at once: a call for each superword took half of the time that a choice takes.
    pretokens = sorted({pretoken for merge in wanted for pretoken in parts[merge.id]})
    ids = dict(zip(pretokens, family.encode_entries([spell(text.encode()) for text in pretokens]), strict=True))
    return [_superword(merge, [piece for text in parts[merge.id] for piece in ids[text]]) for merge in wanted], rejects[
        :50
    ]


def _superword(merge: Merge, pieces: Sequence[int]) -> Merge:
    """The superword of a run of pre-tokens, with its base ids."""
    return Merge(pieces[0], pieces[-1], 0, spell(merge.token.encode()), merge.count, tuple(pieces), SUPERWORD)
