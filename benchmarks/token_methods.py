#!/usr/bin/env python3
"""Which method of choosing tokens compresses held-out text best? Prints a Markdown table.

    python benchmarks/token_methods.py --model TOKENIZER --corpus CORPUS --donor TOKENIZER --size 800 --size 4000
    python benchmarks/token_methods.py --model TOKENIZER --corpus CORPUS --size 800 --methods continued-bpe \\
        --scorers count saved

Nine tenths of the corpus, by document, are for choosing; the figures are of the rest. `--allow` is not needed: broken
promises are counted and shown. Time is CPU time of choosing (without counting the corpus), on one core.
"""

import argparse
import time
from dataclasses import replace
from itertools import product

from tokengraft.config import CorpusConfig, RunConfig, TokensConfig
from tokengraft.tokenizer.candidates import views
from tokengraft.tokenizer.checks import check_extension
from tokengraft.tokenizer.material import gather

CHECKED = 40
"""Held-out documents that promises are tried on, beside the fuzz."""


def row(material):
    begun = time.process_time()
    extension = material.propose()
    seconds = time.process_time() - begun
    found = material.gains(extension)["heldout"].fertility
    broken = [each.name for each in check_extension(extension, material.heldout[:CHECKED]) if each.outcome == "failed"]
    return (
        f"| {extension.method} | {material.demand.scorer} | {extension.asked} | {len(extension.new_tokens)} "
        f"| {found.saved:.2%} | {found.documents_longer} of {found.documents} "
        f"| {', '.join(broken) or 'none'} | {seconds:.0f} s |"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--donor", help="for the method of that name")
    parser.add_argument("--size", type=int, action="append", required=True)
    parser.add_argument("--documents", type=int, help="read so many documents at most")
    parser.add_argument("--methods", nargs="+", default=["continued-bpe", "frequency", "donor", "superwords"])
    parser.add_argument("--scorers", nargs="+", default=["count"], help="those that need no reference corpus")
    asked = parser.parse_args()
    corpus = CorpusConfig(asked.corpus, max_documents=asked.documents)
    print("| method | scorer | asked | new | fewer tokens, held out | documents longer | promises broken | choosing |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    counted = {}
    for size, method, scorer in product(asked.size, asked.methods, asked.scorers):
        tokens = TokensConfig(size=size, method=method, donor=asked.donor, scorer=scorer)
        config = RunConfig(model=asked.model, corpus=corpus, tokens=tokens)
        # Methods that see the tokenizer alike count alike.
        view = method if method in views else ""
        if view not in counted:
            counted[view] = gather(config, processes=1)
        material = counted[view]
        demand = replace(material.demand, size=size, scorer=scorer)
        print(row(replace(material, config=config, demand=demand)), flush=True)
    read = sum(len(text.encode()) for text in material.heldout)
    print(f"\n{len(material.heldout)} held-out documents, {read} bytes")


if __name__ == "__main__":
    main()
