"""New rows alone, on text."""

from tokengraft.phases import phases
from tokengraft.phases.task import Part, Task
from tokengraft.phases.trained import learning_rows


@phases.register("trainable-tokens", paper="PEFT, TrainableTokensConfig")
def trainable_tokens(task: Task) -> list[Part]:
    """New rows of both tables, by cross-entropy on text; every old row and every block keeps its bits."""
    return [
        Part(
            "trainable-tokens",
            1.0,
            lambda: learning_rows(task.model, task.base_size, task.size, task.projection, task.settings),
        )
    ]
