"""`tokengraft extend`: write the extended tokenizer, every promise checked."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tokengraft.cli.options import Settings
from tokengraft.cli.token_options import TokenFlags
from tokengraft.cli.tokens import Json


def extend(
    config: Annotated[Path | None, Parameter(help="Settings in YAML or TOML; flags come over them.")] = None,
    /,
    *,
    out: Annotated[Path, Parameter(help="Folder for the extended tokenizer; it must not hold anything yet.")],
    flags: TokenFlags | None = None,
    transformers: Annotated[bool, Parameter(help="Try the result in the installed transformers.")] = True,
    python: Annotated[list[str] | None, Parameter(help="Another Python whose transformers must agree.")] = None,
    json: Json = False,
    settings: Settings = None,
) -> None:
    """Extend a tokenizer from a corpus and write it, once every promise was tried and holds.

    A promise that does not hold stops the command and nothing is written; --allow names what is accepted.
    """
    import sys

    from tokengraft import atomic
    from tokengraft.cli.token_tables import as_json, candidates, print_ceiling, print_extension
    from tokengraft.tokenizer.elsewhere import installed, same_ids_elsewhere
    from tokengraft.tokenizer.material import gather

    chosen = (flags or TokenFlags()).config(config, settings)
    atomic.require_unused(out)
    material = gather(chosen)
    if not json:
        print_ceiling(material)
    proposed = material.propose()
    pythons = [*([sys.executable] if transformers and installed() else ()), *(python or ())]
    elsewhere = [same_ids_elsewhere(proposed, material.heldout[:50], pythons)] if pythons else []
    extension = material.checked(proposed, elsewhere)
    with atomic.folder(out) as place:
        extension.save(place)
        atomic.write_jsonl(place / "candidates.jsonl", candidates(extension))
    measured = material.gains(extension)
    print(as_json(extension, measured)) if json else print_extension(extension, measured, out)
