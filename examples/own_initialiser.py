"""A method of your own: one registered function, and every command knows it.

Rows begin as the row of the longest piece. In the package this would be a file of its own in `tokengraft/init/`.
"""

import argparse
import sysconfig
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

import tokengraft as tg
from tokengraft.bundled import MODEL_DIR
from tokengraft.init import initialisers


@initialisers.register("longest-piece", paper="this example")
def longest_piece(table, tokens, context):
    """Row of the piece that covers most bytes."""
    del context
    places = [max(range(len(token.pieces)), key=lambda k: len(token.piece_texts[k])) for token in tokens]
    return torch.stack([table[token.pieces[place]] for token, place in zip(tokens, places, strict=True)])


def main() -> None:
    """Compares the new start with the usual one by the loss of text that is full of new tokens."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    texts = [
        path.read_text(encoding="utf-8") for path in sorted(Path(sysconfig.get_path("stdlib"), "email").glob("*.py"))
    ]
    extension = tg.extend_tokenizer(str(MODEL_DIR), texts, size=100)
    model = AutoModelForCausalLM.from_pretrained(MODEL_DIR)
    tg.grow(model, extension)
    held = texts[0].encode()
    for name in ("subtoken-mean", "longest-piece"):
        tg.initialise(model, extension, inputs=name)
        ids = torch.tensor([extension.encode([texts[0]])[0][:400]])
        read = len(extension.decode(ids[0].tolist()).encode())
        with torch.no_grad():
            nats = model(ids, labels=ids).loss.item() * (ids.shape[1] - 1)
        print(f"{name:14} {nats / read / 0.6931:.3f} bits per byte on {min(read, len(held))} bytes, untrained")


if __name__ == "__main__":
    main()
