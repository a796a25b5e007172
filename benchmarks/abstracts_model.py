"""Trains a second model to measure on: `python benchmarks/abstracts_model.py OUT --minutes 40`.

A small tied Qwen-2 on four fifths of the biomedical sentences of the shared data; the last fifth, not read by it,
is left as `OUT/domain.jsonl` for what is measured with it. The bundled model differs from stories260K in all of tied
tables, size of the vocabulary and quality of the teacher at once; this one is tied, has 4 096 tokens, and is at home in
its domain. It is not kept. Its split pattern is not Qwen-2's, which AutoTokenizer would build: it is for tokenizer.json
alone.
"""

import argparse
import gzip
import json
from pathlib import Path

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from tokengraft.bundled.material import kept_tokenizer
from tokengraft.bundled.pretrain import Clock, Material, Recipe, save_model, train

SENTENCES = Path(__file__).parents[2] / "shared" / "data" / "corpora" / "biomed.jsonl.gz"
RECIPE = Recipe(
    vocabulary=4096, hidden=192, layers=6, heads=6, key_value_heads=2, intermediate=512, context=256, rows=16
)


def documents():
    """Sentences as they follow each other, ten a document."""
    with gzip.open(SENTENCES, "rt", encoding="utf-8") as lines:
        sentences = [json.loads(line)["text"] for line in lines]
    return ["\n".join(sentences[start : start + 10]) for start in range(0, len(sentences), 10)]


def build_model(recipe):
    torch.manual_seed(recipe.seed)
    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=recipe.vocabulary, hidden_size=recipe.hidden, intermediate_size=recipe.intermediate,
            num_hidden_layers=recipe.layers, num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.key_value_heads, max_position_embeddings=recipe.context, bos_token_id=0,
            eos_token_id=1, pad_token_id=None, tie_word_embeddings=True, initializer_range=recipe.hidden**-0.5 / 2,
        )
    )  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=40)
    arguments = parser.parse_args()
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    texts = documents()
    cut = len(texts) * 4 // 5
    known, unread = texts[:cut], texts[cut:]
    (out / "domain.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in unread))
    tokenizer = kept_tokenizer(out, known, RECIPE.vocabulary)
    model, clock = build_model(RECIPE), Clock(arguments.minutes, None)
    curve = train(model, Material(tokenizer, known, unread[::20]), RECIPE, clock, out, "cpu")
    save_model(model, tokenizer, out)
    (out / "training.json").write_text(json.dumps({"steps": clock.step, "seconds": clock.spent, "curve": curve}) + "\n")


if __name__ == "__main__":
    main()
