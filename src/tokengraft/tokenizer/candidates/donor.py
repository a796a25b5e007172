"""Tokens of another tokenizer."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice

from tokengraft.errors import ConfigError
from tokengraft.tokenizer.candidates import Choice, Demand, methods, needs
from tokengraft.tokenizer.candidates.composing import Wanted, composed
from tokengraft.tokenizer.candidates.selection import pool_size, selected
from tokengraft.tokenizer.families import Family
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.tokens import Reject, shown

BATCH = 20_000
"""Pre-tokens that the donor encodes in one call."""


@methods.register("donor")
def donor(family: Family, counts: Mapping[str, int], demand: Demand) -> Choice:
    """Tokens of another tokenizer that the corpus holds, the most frequent first, where merges can make them."""
    found = _occurring(family, counts, _require_donor(demand))
    faulty, wanted = _sorted(family, demand, found)
    made = composed(family, wanted, replace(demand, size=pool_size(demand)))
    choice = selected(family, dict(counts), made.merges, demand)
    stopped = "the corpus holds no further token of the donor that occurs often enough and can be made by merges"
    return Choice(choice.merges, [*choice.rejects, *made.rejects, *faulty], stopped=stopped)


def _require_donor(demand: Demand) -> TokenizerFile:
    if demand.donor is None:
        raise ConfigError(
            found="method 'donor' without a donor",
            expected="another tokenizer whose tokens are taken over",
            do="set tokens.donor (--donor)",
        )
    return demand.donor


needs["donor"] = _require_donor


def _occurring(family: Family, counts: Mapping[str, int], donor: TokenizerFile) -> Counter[int]:
    """How often the donor's tokens come up where it encodes each pre-token alone."""
    total: Counter[int] = Counter()
    items = iter(counts.items())
    while batch := list(islice(items, BATCH)):
        encoded = donor.encode([family.sample([pretoken]) for pretoken, _ in batch])
        for ids, (_, count) in zip(encoded, batch, strict=True):
            for number in ids:
                total[number] += count
    return total


def _sorted(family: Family, demand: Demand, found: Mapping[int, int]) -> tuple[list[Reject], list[Wanted]]:
    """(tokens that cannot be taken over, those that may be, the most frequent first)."""
    donor = _require_donor(demand)
    rejects: list[Reject] = []
    wanted: list[Wanted] = []
    for number, count in sorted(found.items(), key=lambda item: (-item[1], item[0])):
        data = donor.token_bytes(number)
        reason = next(_faults(donor, number, data, count, demand), None)
        if reason is not None:
            rejects.append(Reject(shown(data), data, None, count, reason))
            continue
        text = data.decode("utf-8")
        wanted.append(Wanted(text, tuple(family.entries(text)), count))
    return rejects, wanted


def _faults(donor: TokenizerFile, number: int, data: bytes, count: int, demand: Demand) -> Iterator[str]:
    if number in {token["id"] for token in donor.added_tokens}:
        yield "an added token of the donor"
    if count < demand.min_count:
        yield f"{count} occurrences, fewer than {demand.min_count}"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        yield "incomplete UTF-8, which belongs to no pre-token of its own"
