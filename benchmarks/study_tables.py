"""The tables of docs/study.md from finished grids.

python -P benchmarks/study_tables.py DIR [DIR …]

One folder for each grid that `benchmarks/study.py` or `tokengraft compare` ran. Results are kept as
`study.<hardware>.<date>.md`.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

JUDGED = ("domain", "general_change", "kl", "general_kl")
TOKENS = (
    "top1", "mrr", "calibration", "general_calibration", "doubles", "second_piece", "true_next", "canonical", "steps",
    "seconds",
)  # fmt: skip
ROWS = ("start_first", "start_last", "inputs_first", "inputs_last", "head_first", "head_last")


def judged(study: dict[str, Any]) -> str:
    """Text and base, each figure with its paired difference from the reference and the difference's interval."""
    names = [name for name in JUDGED if _measured(study, name)]
    lines = _heading(study, names, ["steps to KL", "CPU s to KL"])
    for row in study["rows"]:
        entries = [_with_interval(row["values"][name], study["columns"][name]["decimals"]) for name in names]
        reached = [_number(row["steps_to_kl"], 0), _number(row["seconds_to_kl"], 1)]
        lines.append(f"| {row['name']} | " + " | ".join([*entries, *reached]) + " |")
    return "\n".join(lines)


def plain(study: dict[str, Any], wanted: tuple[str, ...]) -> str:
    """Means alone."""
    names = [name for name in wanted if _measured(study, name)]
    lines = _heading(study, names, [])
    for row in study["rows"]:
        entries = [_number(row["values"][name]["mean"], study["columns"][name]["decimals"]) for name in names]
        lines.append(f"| {row['name']} | " + " | ".join(entries) + " |")
    return "\n".join(lines)


def _heading(study: dict[str, Any], names: list[str], more: list[str]) -> list[str]:
    headings = [*(study["columns"][name]["heading"] for name in names), *more]
    return ["| variant | " + " | ".join(headings) + " |", "|---" * (len(headings) + 1) + "|"]


def _measured(study: dict[str, Any], name: str) -> bool:
    return any(row["values"][name]["mean"] is not None for row in study["rows"])


def _with_interval(value: dict[str, float | None], decimals: int) -> str:
    text = _number(value["mean"], decimals)
    if value["low"] is None or value["high"] is None:
        return text
    return f"{text} [{value['low']:+.{decimals}f}, {value['high']:+.{decimals}f}]"


def _number(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"


def main() -> None:
    """Prints the tables of each folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    for folder in parser.parse_args().folders:
        study = json.loads((folder / "study.json").read_text(encoding="utf-8"))
        general = study["base"].get("general")
        shared = re.sub(r"/[^\s,;]*/", "", study["shared"])  # names, and not where they lie on this machine
        print(f"## {folder.name}: {shared}\n")
        print(
            f"Base: {study['base']['domain']['bits_per_byte']:.4f}"
            + (f", {general['bits_per_byte']:.4f}" if general else "")
        )
        print(f"Reference: {study['reference']}; KL of {study['target']}: {_number(study['kl_target'], 4)}\n")
        print("\n\n".join([judged(study), plain(study, TOKENS), plain(study, ROWS)]), end="\n\n")


if __name__ == "__main__":
    main()
