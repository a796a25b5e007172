"""Words that must stay whole."""

from collections.abc import Iterator, Mapping, Sequence

from tokengraft.errors import ConfigError
from tokengraft.tokenizer.candidates import Added, Choice, Demand, methods, needs
from tokengraft.tokenizer.candidates.composing import Wanted, composed
from tokengraft.tokenizer.families import Family
from tokengraft.tokenizer.tokens import Reject


@methods.register("words")
def words(family: Family, counts: Mapping[str, int], demand: Demand) -> Choice:
    """Words of a list stay whole, with or without a space before them, by chains of merges that leave others alone."""
    faulty, wanted = _sorted(family, counts, demand)
    made = composed(family, wanted, demand)
    rejects, added = [*faulty, *made.rejects], []
    if demand.words_as_added:
        room = max(0, demand.size - len(made.merges))
        added = [Added(text, count) for text, count in _impossible(family, wanted, rejects)][:room]
        taken = {entry.text.encode() for entry in added}
        rejects = [reject for reject in rejects if reject.bytes not in taken]
    return Choice(made.merges, rejects, added, "the list of words gives no more")


def _require_words(demand: Demand) -> None:
    if not any(map(str.strip, demand.words)):
        raise ConfigError(
            found="method 'words' without a word",
            expected="texts that must stay whole",
            do="set tokens.words or tokens.words_file (--word, --words-file)",
        )


needs["words"] = _require_words


def _sorted(family: Family, counts: Mapping[str, int], demand: Demand) -> tuple[list[Reject], list[Wanted]]:
    """(words that need no token or can have none, the others with their entries)."""
    added = {token["content"]: token["id"] for token in family.file.added_tokens}
    rejects: list[Reject] = []
    wanted: list[Wanted] = []
    seen: set[str] = set()

    def reject(text: str, reason: str) -> None:
        rejects.append(Reject(text, text.encode(), None, 0, reason))

    for text in demand.words:
        if not text.strip():
            reject(text, "an empty word")
        elif text in seen:
            reject(text, "stands in the list already")
        elif text.strip() in added:
            reject(text, f"an added token already, id {added[text.strip()]}")
        else:
            entries = family.entries(text)
            count = counts.get(entries[0] if len(entries) == 1 else "", counts.get(text, 0))
            wanted.append(Wanted(text, tuple(entries), count))
        seen.add(text)
    return rejects, wanted


def _impossible(family: Family, wanted: Sequence[Wanted], rejects: Sequence[Reject]) -> Iterator[tuple[str, int]]:
    """Words without a token of their own so far, which may become added tokens, with their counts."""
    refused = {reject.bytes: reject.reason for reject in rejects}
    for word in wanted:
        data = word.text.encode()
        if data in refused and "a single token already" not in refused[data] and word.text not in family.file.ids:
            yield word.text, word.count
