"""Stands in for llama.cpp's converter: its options, the way it knows a tokenizer by a hash, and a file of its own."""

import argparse
import json
from hashlib import sha256
from pathlib import Path

from safetensors.torch import load_file, save_file

KNOWN: dict[str, str] = json.loads(Path(__file__).with_name("known.json").read_text())
TABLES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "transformer.wte.weight": "token_embd.weight",
    "lm_head.weight": "output.weight",
}


class TextModel:
    """Finds the name of the pre-tokenizer and writes the vocabulary."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def get_vocab_base_pre(self, tokenizer):
        digest = sha256(str(tokenizer.encode("Three  words, 123 \n")).encode()).hexdigest()
        if digest not in KNOWN:
            raise NotImplementedError("BPE pre-tokenizer was not recognized - update get_vocab_base_pre()")
        return KNOWN[digest]

    def write(self, out):
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(self.folder)
        entries = {number: entry for entry, number in tokenizer.get_vocab().items()}
        merges = json.loads((self.folder / "tokenizer.json").read_text())["model"]["merges"]
        said = {
            "model": ["gpt2"],
            "pre": [self.get_vocab_base_pre(tokenizer)],
            "tokens": [entries[number] for number in range(len(entries))],
            "merges": [rule if isinstance(rule, str) else " ".join(rule) for rule in merges],
        }
        weights = load_file(self.folder / "model.safetensors")
        tables = {TABLES[name]: value.float() for name, value in weights.items() if name in TABLES}
        save_file(tables, out, metadata={"said": json.dumps(said), "model": str(self.folder)})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--outfile", required=True)
    parser.add_argument("--outtype", choices=["f32", "f16", "bf16", "q8_0"])
    given = parser.parse_args()
    TextModel(given.model).write(given.outfile)
