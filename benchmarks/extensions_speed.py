"""The speed of each part of an extension on a large corpus, beside a plain implementation and the library's trainer.

CPU seconds of one core; run it by `extensions.py --speed` with RAYON_NUM_THREADS=1. The corpus is JSON Lines with a
field `text`. Merges are checked equal.
"""

import datetime
import heapq
import json
import time
from collections import defaultdict
from itertools import pairwise
from operator import add

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from tokengraft.alignment import aligned_positions, aligners, byte_lengths, shared_boundaries
from tokengraft.alignment.aligners import Sides
from tokengraft.artifacts import hardware
from tokengraft.corpus import count_pretokens
from tokengraft.tokenizer import TokenizerFile, extend_tokenizer, family_of
from tokengraft.tokenizer.dividers import divider_of
from tokengraft.tokenizer.merging import learn_merges
from tokengraft.tokenizer.pretokens import splitter_with

SIZE = 16_000
FIRST = 0xF0000
"""Private code points, one for each id of the base, stand for the ids where the library wants text."""


class Clock:
    """CPU seconds of named parts."""

    def __init__(self):
        self.parts = {}

    def run(self, name, function):
        began = time.process_time()
        result = function()
        self.parts[name] = time.process_time() - began
        return result


def speed(corpus, data):
    """The measurement as Markdown."""
    texts = [json.loads(line)["text"] for line in corpus.open(encoding="utf-8")]
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    lines = [
        "# Speed of an extension",
        "",
        f"{hardware()['cpu']}, one core of {hardware()['cores']}, {datetime.date.today()}. {megabytes:.0f} MB in "
        f"{len(texts)} documents, gpt2, {SIZE} merges; CPU seconds.",
        "",
        "| part | fast | plain pattern |",
        "|---|---|---|",
    ]
    clock, plain = Clock(), Clock()
    words, tokens, join = parts(texts, data, clock, plain)
    learned = clock.run("learn", lambda: learn_merges(words, tokens, SIZE, join=join))
    plain.parts |= {name: clock.parts[name] for name in ("load the tokenizer", "encode distinct", "learn")}
    lines += [f"| {name} | {clock.parts[name]:.2f} | {plain.parts[name]:.2f} |" for name in clock.parts]
    lines.append(f"| **all** | **{sum(clock.parts.values()):.2f}** | **{sum(plain.parts.values()):.2f}** |")
    lines += ["", *beside_others(words, tokens, join, learned.merges, clock.parts["learn"])]
    lines += ["", *alignment(texts, data)]
    return "\n".join(lines) + "\n"


def parts(texts, data, clock, plain):
    family = clock.run("load the tokenizer", lambda: loaded(data, "gpt2"))
    slow = splitter_with(family.file, divider_of(family.file, fast=False))
    counted = {}
    for name, timer, split in (("fast", clock, family.splitter()), ("plain", plain, slow)):
        counted[name] = timer.run("count", lambda s=split: count_pretokens(texts, s, max_per_document=10, processes=1))
    assert counted["fast"] == counted["plain"], "both ways count alike"
    words = clock.run("encode distinct", lambda: family.words(counted["fast"]).several_ids())
    return words, family.file.tokens, family.join


def loaded(data, name):
    family = family_of(TokenizerFile.load(data / "tokenizers" / name))
    family.words({"a": 1})
    return family


def beside_others(words, tokens, join, merges, seconds):
    """Lines about the plain implementation and the library's trainer, on the same counts of all words."""
    clock = Clock()
    plain = clock.run("plain", lambda: plain_merges(words, tokens, SIZE, join))
    assert plain == [(merge.left, merge.right) for merge in merges], "the plain implementation learns the same"
    # The trainer knows no spellings of the base, so here no two pairs may spell one token.
    fresh = [chr(FIRST + number) for number in range(len(tokens))]
    own = clock.run("own", lambda: learn_merges(words, fresh, SIZE)).merges
    clock.run("read", lambda: library_merges(words, 0, len(tokens)))
    theirs = clock.run("library", lambda: library_merges(words, SIZE, len(tokens)))
    took = clock.parts
    return [
        f"Learning beside a plain dictionary and heap on the same counts: {seconds:.2f} against {took['plain']:.2f} s, "
        f"all {len(merges)} merges equal.",
        "",
        f"Beside the tokenizers library's trainer on the same counts of all {len(words.lengths)} words that are not "
        f"one token: {took['own']:.2f} against {took['library'] - took['read']:.2f} s. The trainer takes texts and no "
        f"counts, so each word comes as often as it counts, {int(words.counts.sum())} in all: to read those took it "
        f"{took['read']:.2f} s more, measured by training no merge. {agreement(own, theirs)}",
    ]


def agreement(own, theirs):
    """How far the merges agree, as a sentence."""
    pairs = [(merge.left, merge.right) for merge in own]
    if pairs == theirs:
        return f"All {len(pairs)} merges are equal."
    differ = (n for n, (a, b) in enumerate(zip(pairs, theirs, strict=False)) if a != b)
    same = next(differ, min(len(pairs), len(theirs)))
    return (
        f"The first {same} of {len(pairs)} merges are equal, up to the first pair whose text another rule has made "
        "already: the library gives it that token again, here it makes no rule."
    )


def plain_merges(words, tokens, size, join=add):
    """Continued BPE as it is usually written: words as lists, a dictionary of pair counts, a heap."""
    ends = np.cumsum(words.lengths).tolist()
    ids, counts = words.ids.tolist(), words.counts.tolist()
    lists = [ids[end - length : end] for end, length in zip(ends, words.lengths.tolist(), strict=True)]
    totals, where = defaultdict(int), defaultdict(set)
    for number, word in enumerate(lists):
        for pair in pairwise(word):
            totals[pair] += counts[number]
            where[pair].add(number)
    heap = [(-count, pair) for pair, count in totals.items()]
    heapq.heapify(heap)
    spellings, known, merges = list(tokens), set(tokens), []
    while len(merges) < size and heap:
        promised, pair = heapq.heappop(heap)
        count = totals.get(pair, 0)
        if count != -promised:
            if count >= 2:
                heapq.heappush(heap, (-count, pair))
            continue
        if count < 2:
            break
        made = join(spellings[pair[0]], spellings[pair[1]])
        if made in known:
            totals.pop(pair)
            continue
        merges.append(pair)
        spellings.append(made)
        known.add(made)
        apply(pair, len(spellings) - 1, lists, counts, totals, where, heap)
    return merges


def apply(pair, new, lists, counts, totals, where, heap):
    changed = set()
    for number in where.pop(pair):
        word, merged, place = lists[number], [], 0
        while place < len(word):
            if tuple(word[place : place + 2]) == pair:
                merged.append(new)
                place += 2
            else:
                merged.append(word[place])
                place += 1
        for old in pairwise(word):
            totals[old] -= counts[number]
        for fresh in pairwise(merged):
            totals[fresh] += counts[number]
            if new in fresh:
                where[fresh].add(number)
                changed.add(fresh)
        lists[number] = merged
    totals.pop(pair, None)
    for fresh in changed:
        heapq.heappush(heap, (-totals[fresh], fresh))


def library_merges(words, size, known):
    """The trainer of the tokenizers library on the same words: one character an id, each word as often as it occurs."""
    used = np.unique(words.ids)
    table = np.zeros(int(used.max()) + 1, np.uint32)
    table[used] = FIRST + used
    text = table[words.ids].astype("<u4").tobytes().decode("utf-32-le")
    ends = np.cumsum(words.lengths).tolist()
    starts = [0, *ends[:-1]]
    repeated = (
        f"{text[start:end]} " * count
        for start, end, count in zip(starts, ends, words.counts.tolist(), strict=True)
    )  # fmt: skip
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.CharDelimiterSplit(" ")
    trainer = trainers.BpeTrainer(vocab_size=len(used) + size, min_frequency=2, show_progress=False)
    tokenizer.train_from_iterator(repeated, trainer=trainer)
    model = json.loads(tokenizer.to_str())["model"]
    made = {chr(FIRST + int(number)): int(number) for number in used}
    pairs = []
    for left, right in model["merges"]:
        pairs.append((made[left], made[right]))
        made.setdefault(left + right, known + len(pairs) - 1)
    return pairs


def alignment(texts, data):
    """Lines about aligning a megabyte of the corpus, CPU milliseconds a MB, the best of several."""
    base = TokenizerFile.load(data / "tokenizers" / "gpt2")
    extended = extend_tokenizer(base, texts[:200], 800, processes=1)
    text = "".join(texts[200:400])[:1_000_000]
    size = len(text.encode()) / 1e6
    sides = Sides(text, base, extended.file, extended)
    ids, other = sides.base_ids, sides.other_ids
    byte_lengths(base, ids[:1], text[:1])
    byte_lengths(extended.file, other[:1], text[:1])
    ways = {
        "decomposition table": lambda: aligned_positions(other, extended.decomposition),
        "byte lengths": lambda: shared_boundaries(
            byte_lengths(base, ids, text), byte_lengths(extended.file, other, text)
        ),
        "look-ahead 20 (heuristic)": lambda: aligners.get("look-ahead")(sides),
    }
    lines = ["| aligning | CPU ms a MB |", "|---|---|"]
    for name, way in ways.items():
        times = []
        for _ in range(3 if "heuristic" in name else 15):
            began = time.process_time()
            way()
            times.append(time.process_time() - began)
        lines.append(f"| {name} | {min(times) * 1e3 / size:.1f} |")
    return lines
