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
for name in (
    "apply",
    "code_tasks",
    "compare",
    "demo",
    "distill",
    "doctor",
    "eval",
    "expand",
    "export",
    "extend",
    "graft",
    "inspect",
    "interpret",
    "prune",
    "recipes",
    "report",
    "special",
    "tokens",
    "train",
):
    app.command(f"tokengraft.cli.{name}:{name}", name=name.replace("_", "-"))

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
