"""What do extensions of real tokenizers keep, and what do they save? How fast is it made?

`python benchmarks/extensions.py` prints the tables: each tokenizer with each corpus and size, by every token method
that applies, and by the `tokenizers` library's trainer. `--speed PYTHON.jsonl` measures counting, encoding and learning
on a large corpus instead (see `extensions_speed.py`). `--write` keeps the result as `extensions.<hardware>.<date>.md`
beside this file. Rows are added to `--rows FILE` as they come, and rows that are there already are not measured again;
`--seconds` ends the measuring after so long, to go on another time.

Every fifth document is held out: all figures are of these, by the benchmark's own code and not by the checks that an
extension makes of itself (see `extensions_rows.py`).
"""

import argparse
import datetime
import json
import re
import sys
import time
from pathlib import Path

# This file is called as the library that it measures: what is installed comes first.
sys.path.append(sys.path.pop(0))

from extensions_rows import TRAINER, measure, method_names
from extensions_speed import speed
from extensions_tables import OWN, tables

from tokengraft.artifacts import hardware

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TOKENIZERS = ("gpt2", "qwen2", "deepseek-coder", "mistral-nemo", "llama2", "t5-small", "bert-base-uncased")
CORPORA = ("python", "verilog", "biomed", "hindi")
SIZES = (800, 4000, 16000)
KEY = ("tokenizer", "corpus", "asked", "method")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", nargs="*", default=TOKENIZERS)
    parser.add_argument("--corpus", nargs="*", default=CORPORA)
    parser.add_argument("--size", nargs="*", type=int, default=SIZES)
    parser.add_argument("--method", nargs="*", help=f"default: all that are registered, and {TRAINER}")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with tokenizers/ and corpora/")
    parser.add_argument("--rows", type=Path, default=None, help="JSON Lines that keeps rows between runs")
    parser.add_argument("--seconds", type=float, default=None, help="begin no further row after so many seconds")
    parser.add_argument("--speed", type=Path, help="a large corpus in JSON Lines: measure speed on it instead")
    parser.add_argument("--write", action="store_true", help="keep the result as a file")
    chosen = parser.parse_args()
    text = speed(chosen.speed, chosen.data) if chosen.speed else tables(measured(chosen), chosen.data)
    print(text)
    if chosen.write:
        name = re.sub(r"\W+", "-", f"{hardware()['cpu']}-{hardware()['cores']}-cores").lower()
        question = "extensions-speed" if chosen.speed else "extensions"
        Path(__file__).with_name(f"{question}.{name}.{datetime.date.today()}.md").write_text(text)


def measured(chosen):
    """All rows that are asked for, those of earlier runs among them; with `--seconds`, as many as there are."""
    known = [json.loads(line) for line in chosen.rows.open()] if chosen.rows and chosen.rows.exists() else []
    rows = {tuple(row[name] for name in KEY): row for row in known}
    wanted = [
        (tokenizer, corpus, size, method)
        for tokenizer in chosen.tokenizer
        for corpus in chosen.corpus
        for method in chosen.method or method_names()
        for size in chosen.size
    ]
    began = time.monotonic()
    for place, key in enumerate(wanted):
        if key in rows:
            continue
        if chosen.seconds is not None and time.monotonic() - began > chosen.seconds:
            break
        rows[key] = exhausted(rows, key) or measure(chosen.data, *key)
        print(f"{place + 1} of {len(wanted)}", *rows[key].values(), file=sys.stderr, flush=True)
        if chosen.rows:
            with chosen.rows.open("a") as file:
                file.write(json.dumps(rows[key]) + "\n")
    return [rows[key] for key in sorted(filter(rows.__contains__, wanted), key=order)]


def exhausted(rows, key):
    """The row of a smaller size for which `continued-bpe` found fewer tokens than asked: it finds those for larger."""
    *where, size, method = key
    smaller = [row for row in rows.values() if (row["tokenizer"], row["corpus"], row["method"]) == (*where, method)]
    found = [row for row in smaller if row.get("added", row["asked"]) < row["asked"] < size and method == OWN]
    return {**found[0], "asked": size} if found else None


def order(key):
    tokenizer, corpus, size, method = key
    places = (TOKENIZERS, CORPORA, tuple(method_names()))
    values = (tokenizer, corpus, method)
    ranks = [all_.index(value) if value in all_ else len(all_) for all_, value in zip(places, values, strict=True)]
    return (*ranks[:2], size, ranks[2])


if __name__ == "__main__":
    main()
