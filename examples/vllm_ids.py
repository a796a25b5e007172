"""Serve an export with vLLM, and see that it reads text as the run did.

vLLM takes merged checkpoints: the folder that `tokengraft export --format hf` wrote. It refuses adapters with
`modules_to_save` and gives LoRA no tokens of its own, so adapters with new rows cannot be served there.
"""

import argparse
import sys
from pathlib import Path

from tokenizers import Tokenizer

TEXTS = ("def parse(message):\n    return message.headers", "import torch\n", "naïve café 😀", "  three  spaces ")


def main() -> None:
    """Compares ids with those of the folder's own tokenizer.json, then writes greedily."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="folder that export --format hf wrote")
    parser.add_argument("--texts", type=Path, help="file of texts, one a line; default: four short ones")
    parser.add_argument("--dtype", default="auto")
    given = parser.parse_args()
    from vllm import LLM, SamplingParams  # noqa: PLC0415 - takes long, and not to see --help

    texts = given.texts.read_text(encoding="utf-8").splitlines() if given.texts else list(TEXTS)
    llm = LLM(model=given.model, dtype=given.dtype)
    served = llm.get_tokenizer()
    own = Tokenizer.from_file(str(Path(given.model, "tokenizer.json")))
    wrong = [
        text
        for text in texts
        if served.encode(text, add_special_tokens=False) != own.encode(text, add_special_tokens=False).ids
    ]
    print(f"ids equal on {len(texts) - len(wrong)} of {len(texts)} texts")
    if wrong:
        sys.exit(f"first difference: {wrong[0]!r}")
    answers = llm.generate(texts[:2], SamplingParams(temperature=0, max_tokens=16))
    for text, answer in zip(texts, answers, strict=False):
        print(repr(text), "→", repr(answer.outputs[0].text))


if __name__ == "__main__":
    main()
