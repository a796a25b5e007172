"""What adapters with new rows take in memory, by either way of PEFT, before a step is taken."""

from dataclasses import asdict, dataclass

from tokengraft.model.tables import find_tables
from tokengraft.phases.merging import linear_modules
from tokengraft.phases.task import Task

FLOAT = 4
"""Bytes of a number that learns: adapters and rows are float32 whatever the model is."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Bytes, by arithmetic; activations are the same in both ways and left out."""

    adapter: int
    """The saved adapter: low-rank matrices, and rows or whole tables."""
    gradients: int
    moments: int
    copies: int
    """What each forward pass copies: PEFT puts trainable rows into a copy of each table."""

    @property
    def total(self) -> int:
        """Everything that training adds to the model."""
        return self.adapter + self.gradients + self.moments + self.copies

    def to_dict(self) -> dict[str, int]:
        """Plain values."""
        return {**asdict(self), "total": self.total}


def expected(task: Task, targets: list[str]) -> dict[str, Expected]:
    """Both ways of letting new rows learn beside adapters of the task's rank on these targets."""
    tables = find_tables(task.model)
    number, width = (1 if tables.tied else 2), tables.input_weight.shape[1]
    matrices = [m for name, m in linear_modules(task.model).items() if name.endswith(tuple(targets))]
    # A GPT-2 Conv1D holds its weight transposed: the sum is the same.
    adapters = sum(task.settings.rank * sum(module.weight.shape) for module in matrices)  # pyrefly: ignore
    learned = {
        "trainable-tokens": adapters + number * len(task.new_ids) * width,
        "modules-to-save": adapters + number * tables.rows * width,
    }
    copies = {"trainable-tokens": number * tables.rows * width * tables.input_weight.element_size()}
    return {
        way: Expected(FLOAT * count, FLOAT * count, 2 * FLOAT * count, copies.get(way, 0))
        for way, count in learned.items()
    }


def in_words(ways: dict[str, Expected], chosen: str) -> str:
    """Both ways in a line each, the chosen one marked."""
    lines = [
        f"{'*' if way == chosen else ' '} {way:<17} adapter {_mib(e.adapter)}, gradients {_mib(e.gradients)}, "
        f"moments {_mib(e.moments)}, table copies {_mib(e.copies)}: {_mib(e.total)} MiB"
        for way, e in ways.items()
    ]
    return "\n".join(["memory of training new rows beside adapters, in MiB (* chosen):", *lines])


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f}"
