"""Loading an export the way its card says, in a process that knows nothing of the run, and comparing what it gives."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from tokengraft.errors import ExportError
from tokengraft.exporting.finished import Finished
from tokengraft.model.load import load_model
from tokengraft.tokenizer.fuzz import fuzz_texts

LINES = 1000
"""Texts whose ids are compared."""

READ = 8
"""Passages whose logits are compared."""

LONGEST = 96
"""Tokens of a passage that are read."""

WRITTEN = 16
"""Tokens that are written greedily after each of the first passages."""

PROMPTS = 3

TOLERANCE = 1e-4
"""Largest difference of a logit, in float32."""

PROGRAM = """
import json, sys
import torch
from safetensors.torch import save_file

case = json.loads(open(sys.argv[1], encoding="utf-8").read())
names = {"folder": case["folder"], "base": case["base"]}
exec(case["loading"], names)
model, tokenizer = names["model"].eval().float(), names["tokenizer"]
ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in case["lines"]]
found = {}
with torch.no_grad():
    for number, row in enumerate(case["read"]):
        found[f"logits{number}"] = model(torch.tensor([row])).logits[0].contiguous()
    for number, row in enumerate(case["prompts"]):
        prompt = torch.tensor([row])
        found[f"written{number}"] = model.generate(
            input_ids=prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=case["written"]
        )[0].contiguous()
save_file(found, sys.argv[2])
open(sys.argv[3], "w", encoding="utf-8").write(json.dumps(ids))
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was compared, and the largest difference of a logit."""

    lines: int
    logits: int
    difference: float
    written: int
    """Tokens written greedily, all of them the same."""
    odd: int = 0
    """Random texts that were cut otherwise, where some may be."""
    how: str = "A fresh process that loaded it this way"
    more: str = ""
    """A further sentence for the card."""

    @property
    def said(self) -> str:
        """What the card says of it."""
        if not self.lines:
            return self.more
        compared = (
            f"{self.how} gave the same ids on {self.lines - self.odd} texts, logits within\n{self.difference:.1e} on "
            f"{self.logits} values in float32, and the same {self.written} greedy tokens as the run's own model."
        )
        if self.odd:
            compared += f" It cuts {self.odd} of the random texts among {self.lines} otherwise."
        return f"{compared} {self.more}".strip()


@dataclass(frozen=True)
class Trial:
    """What the run's own model gives for a set of texts."""

    finished: Finished
    lines: list[str]
    ids: list[list[int]]
    trust_remote_code: bool
    drawn: int = 0
    """How many of the texts, the last ones, are random characters and no one's text."""

    @classmethod
    def of(cls, finished: Finished, *, trust_remote_code: bool = False) -> "Trial":
        """Texts drawn from the run's passages and new tokens, read by the run's own tokenizer."""
        extension = finished.extension()
        passages = ["".join(piece for piece, _ in passage["base"]) for passage in finished.samples["passages"]]
        lines = [line for text in passages for line in text.splitlines() if line.strip()][: LINES // 2]
        lines = [*passages, *lines]
        drawn = list(fuzz_texts(extension, lines, LINES - len(lines), seed=0))
        lines += drawn
        return cls(finished, lines, extension.file.encode(lines), trust_remote_code, len(drawn))

    def run(self, folder: Path, loading: str, beside: str = "") -> Outcome:
        """The outcome of `loading`, where everything is as it should be; `beside` says what is done besides.

        Raises:
            ExportError: the process failed, or gave other ids, logits or text.
        """
        case = {"folder": str(folder.resolve()), "base": self.finished.base, "loading": loading}
        outcome = self.compare(*self.ask(PROGRAM, case))
        return replace(outcome, how=f"{outcome.how}, {beside},") if beside else outcome

    def ask(self, program: str, more: Mapping[str, Any]) -> tuple[dict[str, Any], list[list[int]]]:
        """What a program in a fresh process gives for the texts: tensors by name, and ids.

        Its arguments are the case as JSON (`more`, with the texts in it), and the two files that it must write.

        Raises:
            ExportError: it failed.
        """
        with tempfile.TemporaryDirectory() as scratch:
            case, tensors, ids = (Path(scratch, name) for name in ("case.json", "found.safetensors", "ids.json"))
            given = {"lines": self.lines, "read": self._rows(), "prompts": self._prompts(), "written": WRITTEN}
            case.write_text(json.dumps({**given, **more}), encoding="utf-8")
            done = run_python(program, str(case), str(tensors), str(ids))
            if done.returncode:
                raise mismatch(f"a fresh process that could not load it: {last_line(done)}", "what loads")
            return load_file(tensors), json.loads(ids.read_text(encoding="utf-8"))

    def _rows(self) -> list[list[int]]:
        """The first texts that have more than one token, cut."""
        return [row[:LONGEST] for row in self.ids if len(row) > 1][:READ]

    def _prompts(self) -> list[list[int]]:
        return [row[: LONGEST // 2] for row in self._rows()[:PROMPTS]]

    @torch.no_grad()
    def compare(
        self, found: dict[str, Any], ids: list[list[int]], tolerance: float = TOLERANCE, *, text: bool = True,
        odd: float = 0.0,
    ) -> Outcome:  # fmt: skip
        """The outcome of what `ask` gave; `text`: greedy text must be the same too.

        `odd` is the share of random texts that may have other ids; people's text must have the same.

        Raises:
            ExportError: other ids, logits further off than `tolerance`, or another text.
        """
        others = self._others(ids, round(odd * self.drawn))
        model = load_model(
            str(self.finished.model), dtype="float32", device="cpu", trust_remote_code=self.trust_remote_code
        )
        difference, logits = 0.0, 0
        for number, row in enumerate(self._rows()):
            ours = model(torch.tensor([row])).logits[0]
            theirs = found[f"logits{number}"]
            if ours.shape != theirs.shape:
                raise mismatch(f"logits of shape {tuple(theirs.shape)}", f"{tuple(ours.shape)}, as the run's model")
            difference = max(difference, float((ours - theirs).abs().max()))
            logits += ours.numel()
        if not difference <= tolerance:
            raise mismatch(f"logits that differ by up to {difference:.2g}", f"at most {tolerance:g}")
        written = self._same_text(model, found) if text else 0
        return Outcome(len(self.lines), logits, difference, written, others)

    def _others(self, ids: list[list[int]], most: int) -> int:
        """How many random texts have other ids."""
        found = 0
        for number, (line, ours, theirs) in enumerate(zip(self.lines, self.ids, ids, strict=True)):
            if ours == theirs:
                continue
            found += 1
            if found > most or number < len(self.lines) - self.drawn:
                same = next((n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), len(ours))
                raise mismatch(
                    f"ids {theirs[same : same + 8]} from place {same} on in {line[:200]!r}",
                    f"ids {ours[same : same + 8]}, as the run's tokenizer gives",
                )
        return found

    def _same_text(self, model: Any, found: dict[str, Any]) -> int:
        written = 0
        for number, row in enumerate(self._prompts()):
            prompt = torch.tensor([row])
            ours = model.generate(
                input_ids=prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=WRITTEN
            )[0]
            if not torch.equal(ours, found[f"written{number}"]):
                raise mismatch("another greedy continuation", "the run's model's")
            written += len(ours) - len(row)
        return written


def run_python(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A program of ours in a fresh process of this interpreter, which finds what this one finds."""
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.run(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-c", program, *arguments],
        env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def last_line(done: "subprocess.CompletedProcess[str]") -> str:
    """The last thing that a process said on its standard error."""
    return (done.stderr.strip().splitlines() or ["no message"])[-1]


def mismatch(found: str, expected: str) -> ExportError:
    """The error of an export that does not give back the run."""
    return ExportError(
        found=f"in what was written: {found}",
        expected=expected,
        do="nothing was left behind; choose another format, and report this if the run's own model loads",
    )
