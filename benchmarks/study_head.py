"""What the head's new rows should be taught: the design's table of targets, for teachers of different quality.

    python -P benchmarks/study_head.py --out DIR                                # the demo's domain, unknown to the base
    python -P benchmarks/study_head.py --corpus demo:general --out DIR          # text of the kind that the base learned
    python -P benchmarks/study_head.py --model stories --corpus FILE --out DIR  # text that the base wrote itself

Input rows are distilled first (KL). Then hidden states are held fast, and rows are copied, averaged or fitted to the
end as one convex problem, by cross-entropy, by the teacher's chain rule, or by a share of either. Judged on held-out
text of the domain, and on general text if there is any. Each seed draws other text and trains other input rows. Tied
models are untied for this table: what a head row should be is asked alone.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch

from tokengraft import atomic
from tokengraft.artifacts import RunFolder
from tokengraft.init import initialise
from tokengraft.losses.fused import Head
from tokengraft.model import find_tables
from tokengraft.model.projection import find_projection
from tokengraft.model.rows import Composed, NewRows, frozen
from tokengraft.phases import distill
from tokengraft.phases.head import JUDGES, FitPlan, HeadFit, choose_windows
from tokengraft.phases.pieces import piece_tree
from tokengraft.phases.positions import read_positions
from tokengraft.phases.soft_sums import SoftSums
from tokengraft.phases.texts import pieces_of
from tokengraft.study import study_settings
from tokengraft.study.material import Material
from tokengraft.training.windows import Window

sys.path.append(str(Path(__file__).parent))  # behind the libraries, one of which has the name of a file there
from study import settings_of

JUDGED = 80
"""Held-out windows that rows are judged on, of the domain and of general text each."""

ITERATIONS = 25
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
COLUMNS = {
    "all": "nats, all", "new": "new targets", "old": "old targets", "mass": "mass on new where an old token follows",
    "top1": "new token is argmax", "old_general": "general: old targets", "mass_general": "general: mass where old",
}  # fmt: skip


class Quiet:
    """A bar that shows nothing."""

    def update(self, count: int) -> None:
        """Nothing."""


@dataclass
class Held:
    """Held-out positions with everything that a row set is judged by."""

    hidden: torch.Tensor
    old_total: torch.Tensor
    old_best: torch.Tensor
    old_target: torch.Tensor
    column: torch.Tensor

    @classmethod
    @torch.no_grad()
    def read(cls, composed: Composed, head: Head, windows: Sequence[Window]) -> "Held":
        """Every position that has a next token, window by window, with whole logits."""
        parts = []
        for window in windows:
            hidden = composed.hidden(torch.from_numpy(window.student)[None])[0, :-1]
            logits = head.projection.logits(hidden, head.weight, head.bias)
            targets = torch.from_numpy(window.student[1:])
            new = targets >= composed.base_size
            chosen = logits.gather(1, targets.masked_fill(new, 0)[:, None])[:, 0]
            column = torch.where(new, targets - composed.base_size, -1)
            parts.append((hidden, logits.logsumexp(1), logits.max(1).values, chosen, column))
        return cls(*(torch.cat(each) for each in zip(*parts, strict=True)))

    @torch.no_grad()
    def judge(self, head: Head, rows: torch.Tensor) -> dict[str, float]:
        """Figures of head rows."""
        new = head.projection.logits(self.hidden, rows, None)
        total = torch.logaddexp(self.old_total, new.logsumexp(1))
        is_new = self.column >= 0
        own = new.gather(1, self.column.clamp_min(0)[:, None])[:, 0]
        nats = total - torch.where(is_new, own, self.old_target)
        mass = (new.logsumexp(1) - total).exp()
        best = (new.argmax(1) == self.column) & (new.max(1).values > self.old_best)
        return {
            "all": float(nats.mean()), "new": float(nats[is_new].mean()), "old": float(nats[~is_new].mean()),
            "mass": float(mass[~is_new].mean()), "top1": float(best[is_new].float().mean()),
        }  # fmt: skip


def row_sets(material: Material, composed: Composed, head: Head, plan: FitPlan, seed: int) -> dict[str, torch.Tensor]:
    """Head rows by name."""
    model, extension = material.model, material.extension
    table = find_tables(model).head_weight[: extension.base_size].float()
    pieces = [list(token.pieces) for token in extension.new_tokens]
    copied = torch.stack([table[each[0]] for each in pieces])
    found = {"first piece copied": copied, "subtoken mean": torch.stack([table[each].mean(0) for each in pieces])}
    windows, _ = material.windows
    chosen = choose_windows(windows, (), plan, seed)
    tree = piece_tree(composed, head, pieces_of(extension, chosen), chosen[:200])
    sums = SoftSums(composed, head, tree), SoftSums(composed, head, tree)
    judged = read_positions(composed, head, chosen[::JUDGES], Quiet(), sums[0])
    learned = read_positions(composed, head, [w for i, w in enumerate(chosen) if i % JUDGES], Quiet(), sums[1])
    for share in SHARES:
        with torch.no_grad():
            composed.rows.head.copy_(copied)
        fit = HeadFit(composed, head, learned, judged, (sums[1].total, sums[0].total) if share else None)
        with torch.enable_grad():
            fit.run(replace(plan, soft_share=share))
        found[f"fitted, {share:g} chain-rule"] = composed.rows.head.detach().clone()
    return found


def one_seed(material: Material, plan: FitPlan, seed: int) -> dict[str, Any]:
    """Figures of all row sets, and of the base."""
    model, extension = material.model, material.extension
    initialise(model, extension, inputs="subtoken-mean", head="subtoken-mean", seed=seed)
    windows, _ = material.windows
    distill(model, extension, windows, settings=material.config.distill, seed=seed)
    rows = NewRows.read(model, extension.base_size, extension.size)
    loose = NewRows(rows.inputs, rows.head, rows.bias, tied=False)
    composed = Composed(model, loose, extension.base_size)
    head = Head(composed.base_head, composed.base_bias, find_projection(model))
    with frozen(model):
        held = {"domain": Held.read(composed, head, material.heldout[:JUDGED])}
        general = material.general_windows[:JUDGED]
        if general:
            held["general"] = Held.read(composed, head, general)
        result: dict[str, Any] = {}
        for name, each in row_sets(material, composed, head, plan, seed).items():
            result[name] = held["domain"].judge(head, each)
            if general:
                other = held["general"].judge(head, each)
                result[name] |= {"old_general": other["old"], "mass_general": other["mass"]}
    result["base, no new logits"] = {
        f"old{suffix}": float((each.old_total - each.old_target)[each.column < 0].mean())
        for suffix, each in zip(("", "_general"), held.values(), strict=False)
    }
    truth = {name: float((each.column >= 0).float().mean()) for name, each in held.items()}
    return {"rows": result, "rate_of_new": truth, "teacher_nats": teacher_nats(material, composed, head)}


@torch.no_grad()
def teacher_nats(material: Material, composed: Composed, head: Head) -> float:
    """What the base pays for all pieces of a new token together, on held-out text: how good a teacher it is."""
    total = count = 0.0
    for window in material.heldout[:60]:
        hidden = composed.hidden(torch.from_numpy(window.teacher)[None])[0, :-1]
        log_p = head.projection.logits(hidden, head.weight, head.bias).log_softmax(1)
        nats = -log_p.gather(1, torch.from_numpy(window.teacher[1:])[:, None])[:, 0]
        for place in (window.student >= composed.base_size).nonzero()[0].tolist():
            start = int(window.ends[place - 1]) + 1 if place else 0
            if start:
                total += float(nats[start - 1 : window.ends[place]].sum())
                count += 1
    return total / max(1.0, count)


def table(found: Sequence[dict[str, Any]]) -> str:
    """The table as Markdown, means ± standard deviations over seeds."""
    names = list(found[0]["rows"])
    columns = [name for name in COLUMNS if any(name in row for row in found[0]["rows"].values())]
    lines = ["| head rows | " + " | ".join(COLUMNS[name] for name in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name in names:
        entries = []
        for column in columns:
            values = [each["rows"][name][column] for each in found if column in each["rows"][name]]
            spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
            entries.append(f"{fmean(values):.3f}{spread}" if values else "")
        lines.append(f"| {name} | " + " | ".join(entries) + " |")
    facts = {name: fmean(each["rate_of_new"][name] for each in found) for name in found[0]["rate_of_new"]}
    nats = fmean(each["teacher_nats"] for each in found)
    rates = ", ".join(f"{name} {value:.4f}" for name, value in facts.items())
    return "\n".join([f"Teacher: {nats:.2f} nats for a new token. Share of new tokens: {rates}.", "", *lines]) + "\n"


def main() -> None:
    """Parses the command line, measures seed by seed, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--model", choices=("bundled", "stories"), default="bundled")
    parser.add_argument("--corpus")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--positions", type=int, default=10_000)
    for name in ("steps", "tokens-per-step", "max-length", "size", "bytes"):
        parser.add_argument(f"--{name}", type=int)
    chosen = parser.parse_args(namespace=argparse.Namespace(which="head", replay_share=None, refit=0))
    torch.set_num_threads(1)
    settings = settings_of(chosen) | {"study": {"variants": {"head": {}}, "choice": False}}
    config, study = study_settings(settings)
    shared = {"settings": config.to_dict(), "positions": chosen.positions}
    with RunFolder.open(Path(config.out), shared) as run:
        material = Material.make(config, study, run)
        plan = FitPlan(chosen.positions, ITERATIONS, 1e-2, 0.0)
        found = []
        for seed in range(chosen.seeds):
            path = run.path / f"seed-{seed}.json"
            if not path.exists():
                atomic.write_json(path, one_seed(material, plan, seed))
            found.append(json.loads(path.read_text()))
        atomic.write_text(run.path / "head.md", table(found))
    print(table(found))


if __name__ == "__main__":
    main()
