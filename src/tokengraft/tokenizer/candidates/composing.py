"""Given entries made by chains of merges, where there is a chain that harms no other text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tokengraft.tokenizer.candidates import Demand
from tokengraft.tokenizer.families import Family
from tokengraft.tokenizer.merging import Composer, Merge
from tokengraft.tokenizer.spelling import Spelling, spelling_of
from tokengraft.tokenizer.tokens import Reject, shown


@dataclass(frozen=True, slots=True)
class Wanted:
    """A text that is to be one token, as entries, one a pre-token, with how often it occurs."""

    text: str
    entries: tuple[str, ...]
    count: int


@dataclass(slots=True)
class Composed:
    """The merges that make what is wanted, and what could not be made."""

    merges: list[Merge] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


def composed(family: Family, wanted: Sequence[Wanted], demand: Demand) -> Composed:
    """At most `demand.size` merges for what is wanted, in its order; the rest with its reason."""
    made = Composed()
    spelling = spelling_of(family.file.document)
    maker = _Maker(family, demand)
    for word, pieces in _with_pieces(family, wanted):
        reason = _fault(word, pieces, spelling) or demand.refuse(word.text.encode()) or maker.make(word, pieces)
        if reason is not None:
            made.rejects.append(Reject(word.text, word.text.encode(), None, word.count, reason))
    made.merges = maker.merges
    return made


def _with_pieces(family: Family, wanted: Sequence[Wanted]) -> Iterator[tuple[Wanted, list[int]]]:
    """Each word with its base ids; none where it is more than one entry."""
    single = [word.entries[0] for word in wanted if len(word.entries) == 1]
    pieces = iter(family.encode_entries(single))
    for word in wanted:
        yield word, next(pieces) if len(word.entries) == 1 else []


def _fault(word: Wanted, pieces: Sequence[int], spelling: Spelling) -> str | None:
    """Why an entry cannot be a token, whatever its pieces are merged by."""
    if len(word.entries) != 1:
        parts = "|".join(shown(spelling(entry)) for entry in word.entries)
        return f"the split pattern cuts it ({parts}), and no merge crosses a cut: only an added token can be this word"
    if len(pieces) == 1:
        return f"a single token already, id {pieces[0]}"
    return None


def _joining_nothing(family: Family) -> frozenset[int]:
    """Ids that stand for what the tokenizer does not know: the unknown token, and lone bytes where there are such."""
    model, ids = family.file.document["model"], family.file.ids
    unknown = {model.get("unk_id"), ids.get(model.get("unk_token") or "")}
    lone = {ids.get(f"<0x{byte:02X}>") for byte in range(256)} if model.get("byte_fallback") else set()
    return frozenset(number for number in unknown | lone if number is not None)


class _Maker:
    """Makes one entry after the other, as the family's entries are reached."""

    def __init__(self, family: Family, demand: Demand) -> None:
        self._family = family
        self._size = demand.size
        self._composer = Composer(family.file.tokens, family.join)
        self._taken: list[Merge] = []
        self._unknown = _joining_nothing(family)

    @property
    def merges(self) -> list[Merge]:
        """What was made, in order."""
        return self._composer.merges if self._family.chained else self._taken

    def make(self, word: Wanted, pieces: Sequence[int]) -> str | None:
        """The reason why the entry cannot be made; None where it is made now."""
        room = self._size - len(self.merges)
        if room < 1:
            return f"no room: {self._size} tokens are taken"
        if not pieces or not self._unknown.isdisjoint(pieces):
            return "holds characters that the tokenizer does not know, or spells as bytes that join nothing"
        if self._family.chained:
            return self._composer.compose(pieces, word.count, room)
        return self._take(word, pieces)

    def _take(self, word: Wanted, pieces: Sequence[int]) -> str | None:
        entry, number = word.entries[0], self._family.file.size + len(self._taken)
        if entry in self._family.file.ids:
            return f"already in the vocabulary as id {self._family.file.ids[entry]}"
        if any(merge.token == entry for merge in self._taken):
            return "stands for the same entry as a word before it"
        self._taken.append(Merge(pieces[0], pieces[-1], number, entry, word.count, tuple(pieces)))
        return None
