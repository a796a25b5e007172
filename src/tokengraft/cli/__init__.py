"""The `tokengraft` program: thin commands that parse, call and print. Nothing heavy is imported before it is needed."""

import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from tokengraft.cli.version import version_text
from tokengraft.errors import TokengraftError

app = App(
    name="tokengraft",
    help="Gives a pretrained language model new tokens, and teaches it to read them from itself.",
    version=version_text,
    suppress_keyboard_interrupt=False,  # `main` says how to go on
)
COMMANDS = {
    "apply": "Make an extended model out of its base and a patch.",
    "code-tasks": "Write and grade answers to benchmarks of code.",
    "compare": "Compare runs with paired tests, or methods over seeds.",
    "demo": "Run the whole flow on the bundled model, offline.",
    "distill": "Train the new rows of a grafted model.",
    "doctor": "Find what is wrong with a model, its tokenizer, data or training.",
    "eval": "Measure a model beside its base.",
    "expand": "Give a model new tokens from a corpus: the whole flow.",
    "export": "Write a run's model for transformers or PEFT, or as a patch.",
    "extend": "Write an extended tokenizer, every promise checked.",
    "graft": "Grow a model for an extended tokenizer and initialise its new rows.",
    "inspect": "Say what a tokenizer is and how it splits your text.",
    "interpret": "Show where the new rows of a model went.",
    "prune": "Put a domain's tokens in the places of tokens that it never uses.",
    "recipes": "List the recipes for expand.",
    "report": "Draw the page of a run again.",
    "special": "Add control tokens or whole words to a model safely, or take them back.",
    "tokens": "Propose tokens for a corpus, and write nothing.",
    "train": "Train further phases: tables, LoRA, trainable tokens, all.",
}
"""Each command and what it is for; its module is imported when it is called."""

for name, about in COMMANDS.items():
    place = name.replace("-", "_")
    app.command(f"tokengraft.cli.{place}:{place}", name=name, help=about)

app.register_install_completion_command()  # tokengraft --install-completion: for bash, zsh and fish

STOPPED = 130
"""Exit code after Ctrl-C, as shells have it."""


def main(tokens: Sequence[str] | None = None) -> None:
    """Runs one command and ends the process: 0 done, 1 the user must do something (the message says what), 2 misuse."""
    if os.environ.get("RANK", "0") != "0":  # of several processes the first one prints
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    try:
        app(tokens, exit_on_error=False)
    except CycloptsError:
        sys.exit(2)
    except TokengraftError as error:
        print(f"\n{error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\nstopped: the same command goes on from the last checkpoint", file=sys.stderr)
        sys.exit(STOPPED)
