"""The whole tables."""

from tokengraft.phases import phases
from tokengraft.phases.task import Part, Task
from tokengraft.phases.trained import learning, table_names


@phases.register("tables", paper="the thesis' second phase")
def tables(task: Task) -> list[Part]:
    """All rows of the input table and of the head; the blocks stay as they are."""
    names = table_names(task.model)
    return [Part("tables", 1.0, lambda: learning(task.model, task.size, task.projection, names, task.settings))]
