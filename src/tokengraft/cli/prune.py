"""`tokengraft prune`: tokens of a domain in the places of tokens that it never uses."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tokengraft.cli.options import Seed


def prune(
    tokenizer: Annotated[str, Parameter(help="Tokenizer or model folder, or hub id.")],
    /,
    *,
    corpus: Annotated[str, Parameter(help="Text of the domain: folder, .txt, .jsonl[.gz|.zst], parquet, hub:…")],
    general: Annotated[str | None, Parameter(help="Other text, whose tokens are spared first.")] = None,
    size: Annotated[int, Parameter(help="Number of ids that change hands.")] = 800,
    min_count: Annotated[int, Parameter(help="Least number of occurrences of a pair that becomes a token.")] = 2,
    out: Annotated[Path | None, Parameter(help="Folder for the tokenizer and pruned.jsonl; none: only report.")] = None,
    seed: Seed = None,
    json: Annotated[bool, Parameter(negative="", help="Print figures, ids and checks as JSON.")] = False,
) -> None:
    """Give ids that a domain never uses to tokens of the domain: another vocabulary at the same size.

    This uses ids again, which `extend` never does. A model that knew the old tokens must learn the new ones: its rows
    for these ids are wrong until then. `pruned.jsonl` lists what was given up.
    """
    from tokengraft.cli.prune_tables import as_json, print_pruned
    from tokengraft.tokenizer.prune import prune_tokenizer

    if out is not None:
        from tokengraft.cli.places import require_free

        require_free(out)
    pruned = prune_tokenizer(
        tokenizer, corpus, size, general=general or (), min_count=min_count, seed=0 if seed is None else seed
    )
    if out is not None:
        from tokengraft import atomic

        with atomic.folder(out) as place:
            pruned.save(place)
    print(as_json(pruned, out)) if json else print_pruned(pruned, out)
