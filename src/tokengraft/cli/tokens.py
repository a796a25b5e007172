"""`tokengraft tokens`: propose tokens, and write nothing."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tokengraft.cli.options import Settings
from tokengraft.cli.token_options import TokenFlags

Rows = Annotated[int, Parameter(help="Rows of the table; 0: every one.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON instead of tables.")]


def tokens(
    config: Annotated[Path | None, Parameter(help="Settings in YAML or TOML; flags come over them.")] = None,
    /,
    *,
    flags: TokenFlags | None = None,
    rows: Rows = 30,
    json: Json = False,
    settings: Settings = None,
) -> None:
    """Propose new tokens for a tokenizer from a corpus: the ceiling first, then tokens, and rejects with their reasons.

    Nothing is written and no promise is checked; `tokengraft extend` does both.
    """
    from tokengraft.cli.token_tables import as_json, print_ceiling, print_proposal
    from tokengraft.tokenizer.material import gather

    material = gather((flags or TokenFlags()).config(config, settings))
    if json:
        extension = material.propose()
        print(as_json(extension, material.gains(extension)))
        return
    print_ceiling(material)
    extension = material.propose()
    print_proposal(extension, material.gains(extension), rows)
