"""What does Watch cost? Seconds a step with and without it, on the bundled model, interleaved.

python benchmarks/watch.py [--steps 30] [--length 256] [--batch 4]
"""

import argparse
import statistics
import time
from contextlib import nullcontext

import torch
from transformers import AutoModelForCausalLM

import tokengraft as tg
from tokengraft.bundled import MODEL_DIR


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("steps", 30), ("length", 256), ("batch", 4)):
        parser.add_argument(f"--{name}", type=int, default=default)
    chosen = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModelForCausalLM.from_pretrained(MODEL_DIR, dtype=torch.float32).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    # Other processes on the machine do not count on a CPU.
    clock = time.perf_counter if device == "cuda" else time.process_time
    ids = torch.randint(5, 3000, (chosen.batch, chosen.length), device=device)
    seconds = {"without": [], "with": []}
    for _ in range(chosen.steps):
        for name, spent in seconds.items():
            with tg.Watch(model, optimizer=optimizer) if name == "with" else nullcontext():
                begun = clock()
                model(input_ids=ids, labels=ids).loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                if device == "cuda":
                    torch.cuda.synchronize()
                spent.append(clock() - begun)
    plain, watched = (statistics.median(spent) for spent in seconds.values())
    print(f"{chosen.batch} x {chosen.length} tokens on {device}: {plain * 1e3:.1f} ms a step, with Watch "
          f"{watched * 1e3:.1f} ms ({watched / plain - 1:+.1%})")  # fmt: skip


if __name__ == "__main__":
    main()
