"""Everything."""

from tokengraft.phases import phases
from tokengraft.phases.task import Part, Task
from tokengraft.phases.trained import learning


def all_names(task: Task) -> list[str]:
    """Names of all weights."""
    return [name for name, _ in task.model.named_parameters()]


@phases.register("full", paper="continued pretraining, e.g. Gururangan et al. 2020, arXiv:2004.10964")
def full(task: Task) -> list[Part]:
    """Every weight of the model."""
    names = all_names(task)
    return [Part("full", 1.0, lambda: learning(task.model, task.size, task.projection, names, task.settings))]
