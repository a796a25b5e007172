"""Extend a tokenizer alone: seconds, no torch.

New tokens are chosen from texts, written beside the old ones, and every promise is tried. The folder loads in
transformers 4 and 5; no old id has moved.
"""

import argparse
import sysconfig
from pathlib import Path

import tokengraft as tg
from tokengraft.bundled import MODEL_DIR


def main() -> None:
    """Writes the extended tokenizer and says what it saves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokenizer", default=str(MODEL_DIR), help="folder, tokenizer.json or hub id")
    parser.add_argument("--corpus", help="folder, .txt, .jsonl or parquet; default: this Python's email package")
    parser.add_argument("--size", type=int, default=200)
    parser.add_argument("--out", default="extended-tokenizer")
    given = parser.parse_args()

    library = Path(sysconfig.get_path("stdlib"), "email")
    texts = given.corpus or [path.read_text(encoding="utf-8") for path in sorted(library.rglob("*.py"))]
    extension = tg.extend_tokenizer(given.tokenizer, texts, size=given.size)

    for token in sorted(extension.new_tokens, key=lambda token: -token.saved)[:5]:
        print(f"{token.id}  {token.text!r:20} was {list(token.piece_texts)}, saves {token.saved}")
    print(f"{sum(check.passed for check in extension.checks)} of {len(extension.checks)} promises hold")

    line = "message = email.message_from_string(text, policy=policy.default)"
    before, after = extension.base.encode([line])[0], extension.encode([line])[0]
    print(f"{len(before)} tokens before, {len(after)} after: {line}")
    extension.save(given.out)


if __name__ == "__main__":
    main()
