"""`tokengraft inspect`: what a tokenizer is, and how it treats the user's text."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def inspect(
    tokenizer: Annotated[str, Parameter(help="Tokenizer or model folder, tokenizer.json, or hub id.")],
    /,
    *,
    corpus: Annotated[
        list[str] | None,
        Parameter(help="Text: folder, .txt, .jsonl[.gz|.zst], parquet, hub:…; several times for several domains."),
    ] = None,
    extended: Annotated[str | None, Parameter(help="A second tokenizer beside it, such as an extension.")] = None,
    words: Annotated[
        list[str] | None,
        Parameter(help="Words whose splitting you want to see, or a file with one a line.", consume_multiple=True),
    ] = None,
    text: Annotated[str | None, Parameter(help="Text to show in pieces; else the beginning of the corpus.")] = None,
    field: Annotated[str, Parameter(help="Name of the text field in the corpora.")] = "text",
    max_documents: Annotated[int, Parameter(help="Documents that are read of each corpus.")] = 2000,
    json: Annotated[bool, Parameter(negative="", help="Print everything as JSON.")] = False,
) -> None:
    """Say which algorithm and pipeline a tokenizer is, how it splits text and words, and what new tokens could save."""
    from tokengraft.cli.inspect_tables import as_json, print_inspection
    from tokengraft.config import CorpusConfig
    from tokengraft.tokenizer.inspection import inspect_tokenizer

    corpora = {Path(path).name: CorpusConfig(path, field=field) for path in corpus or ()}
    found = inspect_tokenizer(
        tokenizer, corpora, extended=extended, words=word_list(words or ()), text=text, max_documents=max_documents
    )
    print(as_json(found)) if json else print_inspection(found)


def word_list(words: "list[str] | tuple[()]") -> list[str]:
    """The words, each once; the name of a file stands for its lines."""
    listed: list[str] = []
    for word in words:
        path = Path(word)
        lines = path.read_text(encoding="utf-8").splitlines() if path.suffix and path.is_file() else [word]
        listed += [line.strip() for line in lines if line.strip() or line == word]
    return list(dict.fromkeys(listed))
