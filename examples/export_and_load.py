"""Hand a run on as a patch and as an adapter, and load each on the untouched base.

A patch is megabytes and gives the same bytes back; an adapter loads with plain peft after one line of growth.
"""

import argparse
import sysconfig
import tempfile
from pathlib import Path

import torch

import tokengraft as tg
from tokengraft.bundled import MODEL_DIR


def small_run(out: Path) -> Path:
    """A run of a minute, for those who have none."""
    settings = {
        "model": str(MODEL_DIR), "corpus": str(Path(sysconfig.get_path("stdlib"), "email")), "out": str(out),
        "tokens": {"size": 40}, "evaluation": {"max_bytes": 4000, "prompts": 1, "samples": 1},
        "distill": {"steps": 3, "tokens_per_step": 256, "max_length": 64, "refit_positions": 0},
    }  # fmt: skip
    return tg.expand(settings).path


def main() -> None:
    """Prints the size of each form, and the largest difference of a logit to the run's own model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, help="folder of a finished run")
    with tempfile.TemporaryDirectory() as scratch:
        run = parser.parse_args().run or small_run(Path(scratch, "run"))
        model, tokenizer = tg.load(run, dtype="float32")
        ids = tokenizer("def parse(message): return message.headers", return_tensors="pt")["input_ids"]
        expected = model(ids).logits
        for form in ("patch", "adapter"):
            folder = tg.export(run, Path(scratch, form), form)  # a fresh process has loaded it and compared
            size = sum(file.stat().st_size for file in folder.iterdir())
            loaded, _ = tg.load(folder, dtype="float32")
            difference = (loaded(ids).logits - expected).abs().max().item()
            print(f"{form:8} {size / 1e6:6.2f} MB, logits within {difference:.0e}")


if __name__ == "__main__":
    with torch.no_grad():
        main()
