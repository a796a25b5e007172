"""Tables first, then everything."""

from tokengraft.phases import phases
from tokengraft.phases.full import all_names
from tokengraft.phases.task import Part, Task
from tokengraft.phases.trained import learning, table_names


@phases.register("warm-up", paper="staged warm-up, e.g. de Vries and Nissim 2021, arXiv:2012.05628")
def warm_up(task: Task) -> list[Part]:
    """The tables alone for a few steps, then every weight."""
    first, everything, settings = table_names(task.model), all_names(task), task.settings
    part = settings.tables_part
    return [
        Part("tables", part, lambda: learning(task.model, task.size, task.projection, first, settings)),
        Part("everything", 1 - part, lambda: learning(task.model, task.size, task.projection, everything, settings)),
    ]
