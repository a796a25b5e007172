"""Blocks in stages."""

from functools import partial
from itertools import pairwise

from tokengraft.errors import ConfigError
from tokengraft.phases import phases
from tokengraft.phases.task import Part, Task, blocks_of
from tokengraft.phases.trained import learning, table_names


@phases.register("sequential", paper="the thesis' sequential fine-tuning")
def sequential(task: Task) -> list[Part]:
    """Groups of blocks, one after the other from the first to the last, with the tables or without."""
    place, blocks = blocks_of(task.model)
    stages = task.settings.stages
    check_stages(len(blocks), stages)
    edges = [round(len(blocks) * stage / stages) for stage in range(stages + 1)]
    return [_stage(task, place, first, end) for first, end in pairwise(edges)]


def _stage(task: Task, place: str, first: int, end: int) -> Part:
    prefixes = tuple(f"{place}.{number}." for number in range(first, end))
    tables = set(table_names(task.model)) if task.settings.tables else set()
    names = [name for name, _ in task.model.named_parameters() if name.startswith(prefixes) or name in tables]
    return Part(
        f"blocks-{first}-to-{end - 1}",
        1 / task.settings.stages,
        partial(learning, task.model, task.size, task.projection, names, task.settings),
    )


def check_stages(blocks: int, stages: int) -> None:
    """Returns where every stage has a block.

    Raises:
        ConfigError: there are more stages than blocks.
    """
    if stages > blocks:
        raise ConfigError(
            found=f"{stages} stages for {blocks} blocks",
            expected="at least one block a stage",
            do=f"set stages to {blocks} or fewer",
        )
