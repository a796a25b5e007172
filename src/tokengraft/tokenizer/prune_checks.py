"""What must hold when ids change hands: text without what was given up stays as it was, up to the new tokens."""

import random
import tempfile
from collections.abc import Iterator, Mapping

from tokengraft.corpus.draw import draw_pretokens
from tokengraft.errors import CheckError
from tokengraft.tokenizer.checks import FUZZ
from tokengraft.tokenizer.families import Family, family_of
from tokengraft.tokenizer.file import TokenizerFile
from tokengraft.tokenizer.fuzz import mixed
from tokengraft.tokenizer.promises import CheckResult, verdict
from tokengraft.tokenizer.prune import PrunedTokenizer

SAME_SIZE = "the size stays"
KEPT_IDS = "kept ids stay after reload"
OTHER_TEXT = "text without given-up tokens has the base's pieces"
DECODES = "decodes as the base does"
REACHABLE = "every new token is reachable"
GENERAL = "general text"


def checked(
    pruned: PrunedTokenizer, family: Family, domain: Mapping[str, int], general: Mapping[str, int], seed: int
) -> list[CheckResult]:
    """Every promise with its outcome.

    Raises:
        CheckError: one does not hold.
    """
    texts = list(_texts(pruned, family, domain, general, seed))
    results = [*_of_file(pruned), *_of_texts(pruned, texts), _of_general(pruned, family, general)]
    for result in results:
        if result.outcome == "failed":
            raise CheckError(
                found=f"{result.name}: {result.detail}, as with {result.evidence[0]}",
                expected="a pruned tokenizer that keeps every promise",
                do="extend the tokenizer instead; please report it with the tokenizer's name",
            )
    return results


def _texts(
    pruned: PrunedTokenizer, family: Family, domain: Mapping[str, int], general: Mapping[str, int], seed: int
) -> Iterator[str]:
    for counts in (domain, general):
        drawn = draw_pretokens(counts, 6400, seed) if counts else []
        samples = [family.sample(drawn[start : start + 50]) for start in range(0, len(drawn), 50)]
        yield from samples
    draw = random.Random(seed)
    new = [entry.bytes.decode("utf-8", errors="replace") for entry in pruned.replaced]
    gone = [entry.gone_bytes.decode("utf-8", errors="replace") for entry in pruned.replaced]
    added = [token["content"] for token in pruned.base.added_tokens]
    for _ in range(FUZZ):
        yield mixed(draw, gone, new, added)


def _of_file(pruned: PrunedTokenizer) -> Iterator[CheckResult]:
    freed = {entry.id for entry in pruned.replaced}
    with tempfile.TemporaryDirectory() as folder:
        pruned.file.save(folder)
        reloaded = TokenizerFile.load(folder)
    before = pruned.base.tokenizer.get_vocab(with_added_tokens=True)
    after = reloaded.tokenizer.get_vocab(with_added_tokens=True)
    moved = [
        f"{token!r}: {number} → {after.get(token)}"
        for token, number in before.items()
        if number not in freed and after.get(token) != number
    ]
    yield verdict(KEPT_IDS, moved, f"{len(moved)} of {len(before) - len(freed)} kept ids moved")
    sizes = [] if reloaded.size == pruned.base.size else [f"{pruned.base.size} → {reloaded.size}"]
    yield verdict(SAME_SIZE, sizes, f"{reloaded.size} ids")
    encoded = family_of(reloaded).encode_entries([entry.token for entry in pruned.replaced])
    lost = [entry.token for entry, ids in zip(pruned.replaced, encoded, strict=True) if ids != [entry.id]]
    yield verdict(REACHABLE, lost, f"{len(lost)} of {len(encoded)} new tokens unreachable")


def _of_texts(pruned: PrunedTokenizer, texts: list[str]) -> Iterator[CheckResult]:
    pieces = {entry.id: entry.pieces for entry in pruned.replaced}
    before, after = pruned.base.encode(texts), pruned.file.encode(texts)
    decoded = [
        file.tokenizer.decode_batch(ids, skip_special_tokens=False)
        for file, ids in ((pruned.base, before), (pruned.file, after))
    ]
    free = [number for number, ids in enumerate(before) if pieces.keys().isdisjoint(ids)]
    changed = [
        repr(texts[number][:120])
        for number in free
        if [piece for token in after[number] for piece in pieces.get(token, (token,))] != before[number]
    ]
    yield verdict(OTHER_TEXT, changed, f"{len(changed)} of {len(free)} texts without given-up tokens fail")
    differ = [repr(text[:120]) for text, old, new in zip(texts, *decoded, strict=True) if old != new]
    yield verdict(DECODES, differ, f"{len(differ)} of {len(texts)} texts fail")


def _of_general(pruned: PrunedTokenizer, family: Family, general: Mapping[str, int]) -> CheckResult:
    """What general text pays: a figure, and no promise."""
    before = family.words(general).total
    after = family_of(pruned.file).words(general).total
    detail = f"{before} tokens before, {after} after ({after / before - 1:+.2%})" if before else "none given"
    return CheckResult(GENERAL, passed=True, detail=detail, measured=True)
