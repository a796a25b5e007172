"""One row of the table of extensions: made by a method, tried on held-out documents by the benchmark's own code.

Beside the library's methods stands what is done without it, `trainer-added`: a new BPE is trained by the `tokenizers`
library with the base's own pre-tokenizer, and its first tokens that the base has not are added as added tokens.
"""

import gzip
import json
import tempfile
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from tokengraft.corpus.python_sources import general_texts
from tokengraft.errors import TokengraftError
from tokengraft.tokenizer import ExtendedTokenizer, TokenizerFile, ceiling_of_texts, extend, family_of
from tokengraft.tokenizer.added import describe_added, with_added
from tokengraft.tokenizer.candidates import Added, methods, seen_as
from tokengraft.tokenizer.ceiling import ceiling
from tokengraft.tokenizer.checks import check_extension
from tokengraft.tokenizer.request import demand_of
from tokengraft.tokenizer.spelling import SPACE, components, unspell

HELD_OUT = 5
"""Every so manieth document is held out."""

TRIED = 100
"""Held-out documents that the promises are tried on, beside 2 000 texts of fuzz."""

TRAINER = "trainer-added"
DONORS = {"mistral-nemo": "qwen2"}
DONOR = "mistral-nemo"
"""The donor of every tokenizer but those named above: the largest vocabulary there is, after qwen2's."""


def method_names():
    return [*methods.names(), TRAINER]


@lru_cache(maxsize=2)
def documents(data, corpus):
    """(documents to choose from, held-out documents). `python` is the standard library of the running Python."""
    if corpus == "python":
        texts = [text for heldout in (True, False) for _, text in general_texts(heldout=heldout)]
    else:
        with gzip.open(data / "corpora" / f"{corpus}.jsonl.gz", "rt", encoding="utf-8") as file:
            texts = [json.loads(line)["text"] for line in file]
    return [text for number, text in enumerate(texts) if number % HELD_OUT], texts[::HELD_OUT]


@dataclass(frozen=True)
class Counted:
    """A tokenizer as a method sees it, with the counts of what tokens are chosen from."""

    family: object
    counts: dict
    seconds: float


@lru_cache(maxsize=4)
def base_of(data, tokenizer):
    return TokenizerFile.load(data / "tokenizers" / tokenizer)


@lru_cache(maxsize=3)
def counted(data, tokenizer, corpus, method):
    """`method` is one that sees the tokenizer in a way of its own, or a name for all others."""
    began = time.process_time()
    family = family_of(base_of(data, tokenizer))
    family = seen_as(method, family) if method == "superwords" else family
    counts = extend.count_corpus(family, documents(data, corpus)[0], processes=1)
    return Counted(family, counts, time.process_time() - began)


@lru_cache(maxsize=1)
def before(data, tokenizer, corpus):
    """(tokens of each held-out document, its decoding, ceiling) with the base."""
    base, texts = base_of(data, tokenizer), documents(data, corpus)[1]
    ids = base.encode(texts)
    decoded = base.tokenizer.decode_batch(ids, skip_special_tokens=False)
    return list(map(len, ids)), decoded, ceiling_of_texts(family_of(base), texts).share


def measure(data, tokenizer, corpus, size, method):
    """One row. A method that does not apply says why."""
    row = {"tokenizer": tokenizer, "corpus": corpus, "asked": size, "method": method}
    try:
        found = counted(data, tokenizer, corpus, "superwords" if method == "superwords" else "others")
        began = time.process_time()
        extended = made(found, data, tokenizer, corpus, size, method)
    except TokengraftError as error:
        reason = error.found.partition(f"{tokenizer}, ")[2] or error.found
        return {**row, "refused": reason}
    seconds = time.process_time() - began + (0 if method == TRAINER else found.seconds)
    lengths, decoded, most = before(data, tokenizer, corpus)
    texts = documents(data, corpus)[1]
    ids = extended.encode(texts)
    again = extended.file.tokenizer.decode_batch(ids, skip_special_tokens=False)
    return {
        **row,
        "added": len(extended.new_tokens),
        "unreachable": unreachable(extended),
        "moved": moved(extended),
        "longer": sum(len(now) > old for now, old in zip(ids, lengths, strict=True)),
        "differ": sum(now != old for now, old in zip(again, decoded, strict=True)),
        "documents": len(texts),
        "saved": round(1 - sum(map(len, ids)) / sum(lengths), 5),
        "ceiling": round(most, 5),
        "broken": [each.name for each in check_extension(extended, texts[:TRIED]) if each.outcome == "failed"],
        "seconds": round(seconds, 1),
    }


def made(found, data, tokenizer, corpus, size, method):
    """The extension, not yet tried."""
    if method == TRAINER:
        return trainer_added(found, documents(data, corpus)[0], size)
    words = frequent_words(found, 2 * size) if method == "words" else ()
    donor = data / "tokenizers" / DONORS.get(tokenizer, DONOR) if method == "donor" else None
    demand = demand_of(size=size, words=words, leading_space="given", donor=donor)
    return extend.propose(found.family, found.counts, demand, method)


def frequent_words(found, most):
    """The list that a user would give: the most frequent words that are not one token, as pre-tokens hold them."""
    rows = [(count, text) for text, count in found.counts.items() if any(map(str.isalpha, text))]
    texts = [found.family.sample([text]) for _, text in sorted(rows, key=lambda row: (-row[0], row[1]))]
    encoded = found.family.file.encode(texts)
    return [text for text, ids in zip(texts, encoded, strict=True) if len(ids) > 1][:most]


def trainer_added(found, texts, size):
    """The first tokens of a BPE of the library's trainer that the base has not, as added tokens."""
    base = found.family.file
    pipeline = base.tokenizer
    trained = Tokenizer(models.BPE())
    if pipeline.normalizer is not None:
        trained.normalizer = pipeline.normalizer
    # Where the base has none, as in Llama-2, words are cut as its trainer cut them.
    trained.pre_tokenizer = pipeline.pre_tokenizer or pre_tokenizers.Metaspace()
    by_bytes = "ByteLevel" in [step["type"] for step in components(base.document.get("pre_tokenizer"))]
    alphabet = pre_tokenizers.ByteLevel.alphabet() if by_bytes else []
    trainer = trainers.BpeTrainer(vocab_size=base.size, min_frequency=2, initial_alphabet=alphabet, show_progress=False)
    trained.train_from_iterator(texts, trainer)
    known = {base.token_bytes(number) for number, token in enumerate(base.tokens) if token is not None}
    entries = sorted(trained.get_vocab().items(), key=lambda item: item[1])
    spelled = [unspell(entry) if by_bytes else entry.replace(SPACE, " ").encode() for entry, _ in entries]
    fresh = [Added(data.decode(), 0) for data in spelled if data not in known and is_text(data)][:size]
    return ExtendedTokenizer(
        base=base,
        file=with_added(base, fresh),
        new_tokens=tuple(describe_added(base, base.size, fresh, [0] * len(fresh))),
        method=TRAINER,
        family=found.family.name,
        asked=size,
        ceiling=ceiling(found.family, found.counts),
    )


def is_text(data):
    try:
        return bool(data.decode())
    except UnicodeDecodeError:
        return False


def unreachable(extended):
    """New tokens that their own spelling does not give: by the model alone, or in text where it takes the whole."""
    by_text = [token for token in extended.new_tokens if token.outside_merges]
    by_model = [token for token in extended.new_tokens if not token.outside_merges]
    encoded = family_of(extended.file).encode_entries([token.token for token in by_model]) if by_model else []
    lost = sum(ids != [token.id] for token, ids in zip(by_model, encoded, strict=True))
    return lost + sum(token.id not in extended.encode([token.text])[0] for token in by_text)


def moved(extended):
    """Old ids that another token has after saving and reloading."""
    with tempfile.TemporaryDirectory() as folder:
        extended.file.save(folder)
        now = Tokenizer.from_file(str(Path(folder, "tokenizer.json"))).get_vocab(with_added_tokens=True)
    old = extended.base.tokenizer.get_vocab(with_added_tokens=True)
    return sum(now.get(token) != number for token, number in old.items())
