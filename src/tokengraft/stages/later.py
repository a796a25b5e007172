"""The phases after the rows, each beginning where the last ended; a stopped one goes on from its checkpoint."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from tokengraft.config_phases import phases_of
from tokengraft.evaluation.memory import meter_of
from tokengraft.model.stored import stored_dtype
from tokengraft.phases.lora import lora_config
from tokengraft.phases.memory import expected, in_words
from tokengraft.phases.run import parts_of, round_weights, run_part, steps_of
from tokengraft.phases.task import Heldout, Part, Task
from tokengraft.progress import say
from tokengraft.stages.phase_task import Subject, prepare
from tokengraft.stages.state import Done, load_state, save_state
from tokengraft.stages.trackers import Tracking
from tokengraft.training.batches import count_steps
from tokengraft.training.checkpoint import remove_checkpoints
from tokengraft.training.loop import Journal, Outcome

STATE = "state.safetensors"
"""The weights after the last finished part, until the model is written."""


@dataclass
class Learner:
    """Takes a model through the phases of its run."""

    subject: Subject
    heldout: Mapping[str, Heldout] = field(default_factory=dict)
    done: Done = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """The weights after the last finished part."""
        return self.subject.run.path / ("control.safetensors" if self.subject.control else STATE)

    def restore(self) -> None:
        """Takes up what an earlier start finished, if there was one."""
        self.done = load_state(self.state, self.subject.model)
        for name, facts in self.done.items():
            # A kill may have come between the weights and the note in run.json.
            if self.subject.run.facts(name) is None:
                self.subject.run.finish(name, facts, seconds=facts["seconds"])

    def learn(self, place: int) -> list[str]:
        """Takes the model through the phase at that place of the run's list; the names of its parts.

        Raises:
            ModelError: a loss or a weight is not finite.
            CorpusError: nothing is there to learn from.
        """
        subject = self.subject
        phase = phases_of(subject.config)[place]
        if subject.control and phase.phase == "trainable-tokens":
            say("control: trainable-tokens does nothing, for there is no new row")
            return []
        task, counted = prepare(subject, phase, place)
        task = replace(task, heldout=self.heldout)
        parts = parts_of(task)
        steps = steps_of(parts, count_steps(phase, task.windows, task.replay, task.seed))
        names = [f"{subject.prefix}{phase.label}: {part.name}" for part in parts]
        for part, count, name in zip(parts, steps, names, strict=True):
            if name not in self.done:
                facts = {**self._learn_part(task, part, count, name), "material": counted}
                self._finish(name, facts, is_last=name == names[-1])
            remove_checkpoints(self._checkpoint(name))
        return names

    def _learn_part(self, task: Task, part: Part, steps: int, name: str) -> dict[str, Any]:
        ways = _announce(task) if task.settings.phase == "lora" and task.new_ids else {}
        begun, meter = time.monotonic(), meter_of(task.model.device.type)
        baseline = meter.begin()
        with Tracking.of(task.settings.trackers, self.subject.run.path, name) as tracking:
            outcome = run_part(task, part, steps, self._journal(name, tracking))
        memory = {**outcome.memory, "peak_bytes": meter.peak(), "baseline_bytes": baseline, "expected": ways}
        if task.adapter is not None and task.adapter.is_dir():
            memory["adapter_bytes"] = (task.adapter / "adapter_model.safetensors").stat().st_size
            say(_measured(memory))
        steps_done = [row for row in self.subject.run.events("phase step") if row["part"] == name]
        earlier = steps_done[: len(steps_done) - len(outcome.losses)]
        seconds = time.monotonic() - begun + sum(row["seconds"] for row in earlier)
        return {**_figures(steps_done, outcome), "seconds": round(seconds, 3), "memory": memory}

    def _finish(self, name: str, facts: dict[str, Any], *, is_last: bool) -> None:
        if is_last:
            round_weights(self.subject.model, stored_dtype(self.subject.config.model))
        self.done[name] = facts
        save_state(self.state, self.subject.model, self.done)
        self.subject.run.finish(name, facts, seconds=facts["seconds"])

    def _checkpoint(self, name: str) -> Path:
        return self.subject.run.path / f"checkpoint.{name.replace(': ', '.').replace(' ', '-')}.safetensors"

    def _journal(self, name: str, tracking: Tracking) -> Journal:
        run = self.subject.run

        def log(event: str, **values: Any) -> None:
            run.log(f"phase {event}", part=name, **values)
            tracking.log(event, values)

        def keep(begin: int, row: dict[str, Any]) -> bool:
            return row.get("part") != name or row["step"] <= begin

        model, tokenizer = self.subject.model, self.subject.tokenizer
        return Journal(
            checkpoint=self._checkpoint(name),
            log=log,
            rewind=lambda begin: run.rewind_log(partial(keep, begin)),
            describe=self._describe,
            identity=f"{type(model).__name__} with the tokenizer {tokenizer.fingerprint[:12]}, {name}",
        )

    def _describe(self, windows: Any) -> str:
        texts = [self.subject.tokenizer.decode(window.student[:12].tolist())[:40] for window in windows[:3]]
        return f"of {len(windows)} windows that begin with {', '.join(map(repr, texts))}"


def _announce(task: Task) -> dict[str, dict[str, int]]:
    """Says what both ways of new rows would take, before any of it is taken."""
    ways = expected(task, list(lora_config(task).target_modules))
    say(in_words(ways, task.settings.rows))
    return {way: figures.to_dict() for way, figures in ways.items()}


def _measured(memory: Mapping[str, Any]) -> str:
    mib = {name: f"{memory[name] / 2**20:.1f}" for name in ("adapter_bytes", "gradient_bytes", "moment_bytes")}
    peak = (memory["peak_bytes"] - memory["baseline_bytes"]) / 2**20
    return (
        f"measured, in MiB: adapter {mib['adapter_bytes']}, gradients {mib['gradient_bytes']}, "
        f"moments {mib['moment_bytes']}, peak of the phase {peak:.0f} above what was in use before it"
    )


def _figures(steps: list[dict[str, Any]], outcome: Outcome) -> dict[str, Any]:
    losses = ("cross_entropy", "kl")
    return {
        "steps": len(steps),
        "tokens": sum(row["tokens"] for row in steps),
        "first": {name: steps[0][name] for name in losses if steps and name in steps[0]},
        "last": {name: steps[-1][name] for name in losses if steps and name in steps[-1]},
        "merge_error": outcome.merge_error,
    }
