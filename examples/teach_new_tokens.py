"""Give a model new tokens, step by step from Python.

Choose, extend, grow, initialise, teach, save: what `tokengraft expand` does, without its run folder and its page.
"""

import argparse
import sysconfig
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer

import tokengraft as tg
from tokengraft.bundled import MODEL_DIR


def main() -> None:
    """Trains new rows for a few steps and loads the result with transformers alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=str(MODEL_DIR))
    parser.add_argument("--corpus", help="folder, .txt, .jsonl or parquet; default: this Python's email package")
    parser.add_argument("--size", type=int, default=200)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--out", default="taught-model")
    given = parser.parse_args()

    library = Path(sysconfig.get_path("stdlib"), "email")
    texts = given.corpus or [path.read_text(encoding="utf-8") for path in sorted(library.rglob("*.py"))]
    model = AutoModelForCausalLM.from_pretrained(given.model)
    extension = tg.extend_tokenizer(given.model, texts, size=given.size)
    tg.grow(model, extension)  # old rows and old logits stay bit-identical
    tg.initialise(model, extension)
    outcome = tg.distill(
        model, given.model, extension, texts, steps=given.steps, tokens_per_step=512, max_length=128, refit_positions=0
    )
    print(f"{len(extension.new_tokens)} tokens, {len(outcome.losses)} steps")

    model.save_pretrained(given.out)
    extension.save(given.out)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(given.out), AutoTokenizer.from_pretrained(given.out)
    prompt = tokenizer("import email\n\nmessage = ", return_tensors="pt", return_token_type_ids=False)
    print(tokenizer.decode(model.generate(**prompt, max_new_tokens=12, do_sample=False)[0], skip_special_tokens=True))


if __name__ == "__main__":
    main()
