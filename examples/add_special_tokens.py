"""Add roles and a pad token to a model, and look whether anything is wrong.

The new rows begin like the words that they stand for; the pad token gets next to no probability; old logits keep
their bits. The doctor then reads model, tokenizer and a batch.
"""

import argparse

from transformers import AutoModelForCausalLM, AutoTokenizer

import tokengraft as tg
from tokengraft.bundled import MODEL_DIR


def main() -> None:
    """Writes the model with its new tokens."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=str(MODEL_DIR))
    parser.add_argument("--out", default="chatty-model")
    given = parser.parse_args()

    added = tg.add_special_tokens(
        given.model,
        None,
        {"<|user|>": ["user", "User"], "<|assistant|>": ["assistant"], "<|pad|>": {"role": "pad"}},
        out=given.out,
    )
    print(f"{added.rows_before} rows, now {added.rows_after}; {added.compared_logits} old logits identical")
    for token, number in added.ids.items():
        print(f"{token:14} id {number}, starts as {added.starts[token]}, predicted with {added.shares[token]:.0e}")

    model, tokenizer = AutoModelForCausalLM.from_pretrained(given.out), AutoTokenizer.from_pretrained(given.out)
    batch = tokenizer(["<|user|>two and two?<|assistant|>four", "<|user|>hi"], padding=True, return_tensors="pt")
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    findings = tg.doctor(model, tokenizer, [{**batch, "labels": labels}])
    print("\n".join(f"{finding.severity.value} {finding.code}: {finding.found}" for finding in findings) or "no fault")


if __name__ == "__main__":
    main()
