"""The frequent tokens of a tokenizer that is trained anew, as added tokens."""

from collections import Counter
from collections.abc import Iterator, Mapping

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from tokengraft.tokenizer.candidates import Added, Choice, Demand, methods
from tokengraft.tokenizer.families import Family
from tokengraft.tokenizer.filters import filters
from tokengraft.tokenizer.model_alone import encoded
from tokengraft.tokenizer.spelling import spell, unspell
from tokengraft.tokenizer.tokens import Reject, shown

CHUNK = 1 << 17
"""Characters of one text that the trainer is given."""

SMALLEST, ROOM = 256, 8
"""The new BPE has as many tokens as the base, or the bytes and so many for each that is asked for, if that is more."""

KEPT = 50
"""Candidates kept of those that come after the ones that were taken."""


@methods.register("frequency", paper="KL self-distillation thesis, Algorithm 3")
def frequency(family: Family, counts: Mapping[str, int], demand: Demand) -> Choice:
    """A new BPE on the corpus, less numerals and substrings of old tokens; the most frequent as added tokens.

    Added tokens are found inside words too and some text gets longer: the checks say so, and `allow` must name them.
    """
    texts = {family.sample([pretoken]): count for pretoken, count in counts.items()}
    size = max(family.file.size, SMALLEST + ROOM * demand.size)
    ranked = sorted(_frequencies(texts, size, demand.min_count).items(), key=lambda item: (-item[1], item))
    chosen: list[Added] = []
    rejects: list[Reject] = []
    faults = _Faults(family, demand)
    for place, (data, count) in enumerate(ranked):
        if len(chosen) == demand.size:
            rejects += [
                Reject(shown(rest), rest, None, number, f"not among the {demand.size} most frequent")
                for rest, number in ranked[place : place + KEPT]
            ]
            break
        reason = next(faults(data, count), None)
        if reason is None:
            chosen.append(Added(data.decode("utf-8"), count))
        else:
            rejects.append(Reject(shown(data), data, None, count, reason))
    return Choice([], rejects, chosen, "the new BPE of this corpus has no further token that is left by the filters")


class _Faults:
    """Why Algorithm 3 drops a token."""

    def __init__(self, family: Family, demand: Demand) -> None:
        self._demand = demand
        self._numeral = filters.get("numerals")("")
        file = family.file
        known = [file.token_bytes(number) for number, token in enumerate(file.tokens) if token is not None]
        self._known = frozenset(known)
        # One text to search: bytes that are no UTF-8 cannot be part of a token that is.
        self._all = b"\xff".join(known)

    def __call__(self, data: bytes, count: int) -> Iterator[str]:
        """The reasons, the first that counts first."""
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            yield "incomplete UTF-8, which no added token can be"
        if count < self._demand.min_count:
            yield f"{count} occurrences, fewer than {self._demand.min_count}"
        if self._numeral(data) is not None:
            yield "a numeral"
        if data in self._known:
            yield "in the vocabulary already"
        if data in self._all:
            yield "a substring of a token that is in the vocabulary already"
        if (reason := self._demand.refuse(data)) is not None:
            yield reason


def _frequencies(texts: Mapping[str, int], size: int, min_count: int) -> Counter[bytes]:
    """How often each token of a BPE of `size` tokens, trained on these pre-tokens, occurs in them."""
    tokenizer = Tokenizer(models.BPE())
    separator = _unused(texts)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(separator, "removed"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=min_count,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_repeated(texts, separator), trainer)
    total: Counter[bytes] = Counter()
    spelled = encoded(Tokenizer(tokenizer.model), [spell(text.encode("utf-8")) for text in texts])
    tokens = {number: unspell(token) for token, number in tokenizer.get_vocab().items()}
    for ids, count in zip(spelled, texts.values(), strict=True):
        for number in ids:
            total[tokens[number]] += count
    return total


def _unused(texts: Mapping[str, int]) -> str:
    """A character that no text holds."""
    held = set().union(*texts)
    return next(chr(code) for code in range(0xE000, 0xF8FF) if chr(code) not in held)


def _repeated(texts: Mapping[str, int], separator: str) -> Iterator[str]:
    """Each text as often as it occurs: the trainer takes texts, and no counts."""
    for text, count in texts.items():
        at_once = max(1, CHUNK // (len(text) + 1))
        for done in range(0, count, at_once):
            yield separator.join([text] * min(at_once, count - done))
