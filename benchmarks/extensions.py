"""What do extensions of real tokenizers keep, and what do they save? How fast is it made?

`python benchmarks/extensions.py` prints the table: each tokenizer with each corpus and size, for every token method
that applies. `--speed PYTHON.jsonl` measures counting, encoding and learning on a large corpus instead (see
`extensions_speed.py`). `--write` keeps the result as `extensions.<hardware>.<date>.md` beside this file. Rows are added
to `--rows FILE` as they come, and rows that are there already are not measured again.

Every fifth document is held out: all figures are of these, by the benchmark's own code and not by the checks that an
extension makes of itself.
"""

import argparse
import datetime
import gzip
import json
import re
import sys
import tempfile
import time
from pathlib import Path

# This file is called as the library that it measures: what is installed comes first.
sys.path.append(sys.path.pop(0))

from extensions_speed import speed
from tokenizers import Tokenizer

from tokengraft.artifacts import hardware
from tokengraft.errors import TokengraftError
from tokengraft.tokenizer import TokenizerFile, ceiling_of_texts, extend_tokenizer, family_of, fertility
from tokengraft.tokenizer.candidates import methods
from tokengraft.tokenizer.checks import PROMISES
from tokengraft.tokenizer.inspection import mark_cuts

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TOKENIZERS = ("gpt2", "qwen2", "deepseek-coder", "mistral-nemo", "llama2", "t5-small", "bert-base-uncased")
CORPORA = ("verilog", "biomed", "hindi")
SIZES = (800, 4000, 16000)
HELD_OUT = 5
COLUMNS = {
    "tokenizer": "tokenizer", "corpus": "corpus", "asked": "asked", "method": "method", "added": "added",
    "unreachable": "unreach-able", "moved": "ids moved", "longer": "longer", "differ": "round trip differs",
    "documents": "of documents", "saved": "tokens saved", "ceiling": "ceiling", "seconds": "s",
}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", nargs="*", default=TOKENIZERS)
    parser.add_argument("--corpus", nargs="*", default=CORPORA)
    parser.add_argument("--size", nargs="*", type=int, default=SIZES)
    parser.add_argument("--method", nargs="*", help="default: all that are registered")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with tokenizers/ and corpora/")
    parser.add_argument("--rows", type=Path, default=None, help="JSON Lines that keeps rows between runs")
    parser.add_argument("--speed", type=Path, help="a large corpus in JSON Lines: measure speed on it instead")
    parser.add_argument("--write", action="store_true", help="keep the result as a file")
    chosen = parser.parse_args()
    text = speed(chosen.speed, chosen.data) if chosen.speed else table(measured(chosen)) + floors(chosen)
    print(text)
    if chosen.write:
        name = re.sub(r"\W+", "-", f"{hardware()['cpu']}-{hardware()['cores']}-cores").lower()
        question = "extensions-speed" if chosen.speed else "extensions"
        Path(__file__).with_name(f"{question}.{name}.{datetime.date.today()}.md").write_text(text)


def measured(chosen):
    """All rows that are asked for, those of earlier runs among them."""
    known = [json.loads(line) for line in chosen.rows.open()] if chosen.rows and chosen.rows.exists() else []
    rows = {tuple(row[name] for name in ("tokenizer", "corpus", "asked", "method")): row for row in known}
    wanted = [
        (tokenizer, corpus, size, method)
        for method in chosen.method or methods.names()
        for tokenizer in chosen.tokenizer
        for corpus in chosen.corpus
        for size in chosen.size
    ]
    for place, key in enumerate(wanted):
        if key not in rows:
            rows[key] = measure(chosen.data, *key)
            print(f"{place + 1} of {len(wanted)}", *rows[key].values(), file=sys.stderr, flush=True)
            if chosen.rows:
                with chosen.rows.open("a") as file:
                    file.write(json.dumps(rows[key]) + "\n")
    return [rows[key] for key in sorted(wanted, key=lambda key: (*map_order(key), key[3]))]


def map_order(key):
    tokenizer, corpus, size, _ = key
    return (
        TOKENIZERS.index(tokenizer) if tokenizer in TOKENIZERS else 99,
        CORPORA.index(corpus) if corpus in CORPORA else 99,
        size,
    )


def documents(data, corpus):
    """(documents to choose from, held-out documents)."""
    with gzip.open(data / "corpora" / f"{corpus}.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    held_out = texts[::HELD_OUT]
    return [text for number, text in enumerate(texts) if number % HELD_OUT], held_out


def measure(data, tokenizer, corpus, size, method):
    """One row: the extension made, and tried on held-out documents. A method that does not apply says why."""
    row = {"tokenizer": tokenizer, "corpus": corpus, "asked": size, "method": method}
    base = TokenizerFile.load(data / "tokenizers" / tokenizer)
    chosen_from, held_out = documents(data, corpus)
    began = time.process_time()
    try:
        extended = extend_tokenizer(base, chosen_from, size, method, processes=1, allow=PROMISES)
    except TokengraftError as error:
        return {**row, "refused": f"{error.found}; {error.expected}"}
    seconds = time.process_time() - began
    found = fertility(extended, held_out)
    return {
        **row,
        "added": len(extended.new_tokens),
        "unreachable": unreachable(extended),
        "moved": moved(extended),
        "longer": found.documents_longer,
        "differ": round_trip_differs(extended, held_out),
        "documents": found.documents,
        "saved": round(found.saved, 5),
        "ceiling": round(ceiling_of_texts(family_of(base), held_out).share, 5),
        "seconds": round(seconds, 1),
    }


def unreachable(extended):
    """New tokens that their own spelling does not give: by the model alone, or as an added token in text."""
    added = {token["id"] for token in extended.file.added_tokens}
    by_model = [token for token in extended.new_tokens if token.id not in added]
    by_text = [token for token in extended.new_tokens if token.id in added]
    encoded = family_of(extended.file).encode_entries([token.token for token in by_model])
    lost = sum(ids != [token.id] for token, ids in zip(by_model, encoded, strict=True))
    return lost + sum(token.id not in extended.encode([token.text])[0] for token in by_text)


def moved(extended):
    """Old ids that another token has after saving and reloading."""
    with tempfile.TemporaryDirectory() as folder:
        extended.file.save(folder)
        now = Tokenizer.from_file(str(Path(folder, "tokenizer.json"))).get_vocab(with_added_tokens=True)
    before = extended.base.tokenizer.get_vocab(with_added_tokens=True)
    return sum(now.get(token) != number for token, number in before.items())


def round_trip_differs(extended, texts):
    """Documents that decode otherwise than with the base."""
    before = extended.base.tokenizer.decode_batch(extended.base.encode(texts), skip_special_tokens=False)
    after = extended.file.tokenizer.decode_batch(extended.encode(texts), skip_special_tokens=False)
    return sum(old != new for old, new in zip(before, after, strict=True))


def table(rows):
    """The rows as Markdown."""
    machine = hardware()
    lines = [
        "# Extensions of real tokenizers",
        "",
        f"{machine['cpu']}, {machine['cores']} cores, {datetime.date.today()}. Every fifth document is held out; all",
        "figures are of these. `s`: CPU seconds for counting, choosing, extending and every check.",
        "",
        "| " + " | ".join(COLUMNS.values()) + " |",
        "|" + "---|" * len(COLUMNS),
    ]
    lines += ["| " + " | ".join(cell(row, name) for name in COLUMNS) + " |" for row in rows if "refused" not in row]
    refused = sorted({(row["method"], row["tokenizer"], row["refused"]) for row in rows if "refused" in row})
    if refused:
        lines += ["", "Does not apply:", ""]
        lines += [f"- `{method}` on {tokenizer}: {reason}" for method, tokenizer, reason in refused]
    return "\n".join(lines) + "\n"


def floors(chosen):
    """What each split pattern allows at best on the held-out documents, and its cuts at combining marks."""
    lines = ["", "The pattern's floor: tokens a word at the least, and what of it is cuts at combining marks.", ""]
    lines += ["| tokenizer | corpus | floor | of its cuts at marks | floor without those |", "|---|---|---|---|---|"]
    for tokenizer in chosen.tokenizer:
        split = family_of(TokenizerFile.load(chosen.data / "tokenizers" / tokenizer)).splitter()
        for corpus in chosen.corpus:
            cuts = mark_cuts(split, documents(chosen.data, corpus)[1])
            figures = f"{cuts.floor:.2f} | {cuts.share:.0%} | {cuts.floor_without:.2f}"
            lines.append(f"| {tokenizer} | {corpus} | {figures} |")
    return "\n".join(lines) + "\n"


def cell(row, name):
    return f"{row[name]:.2%}" if name in {"saved", "ceiling"} else str(row[name])


if __name__ == "__main__":
    main()
