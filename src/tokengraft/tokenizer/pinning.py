"""Added tokens that cannot keep their ids, or cannot keep them without harm: reasons to refuse a tokenizer."""

from collections.abc import Iterator

from tokengraft.tokenizer.file import TokenizerFile


def renumbered(file: TokenizerFile) -> Iterator[str]:
    """Added tokens that the library gives another id than the file does, as it does past gaps, in silence."""
    loaded = {token.content: number for number, token in file.tokenizer.get_added_tokens_decoder().items()}
    for token in file.added_tokens:
        content, number = token["content"], token["id"]
        if loaded.get(content) != number:
            yield f"its file gives {content!r} id {number}, the tokenizers library loads it as id {loaded.get(content)}"


def unpinnable(file: TokenizerFile, *, matched: bool) -> Iterator[str]:
    """Added tokens that text could become, once they stand in the vocabulary for their id's sake.

    Only those that match whole words leave some of their occurrences to the model. `matched`: the model takes an entry
    of more than one character without a merge that makes it.
    """
    for token in file.added_tokens:
        content = token["content"]
        reachable = matched or len(content) == 1
        if reachable and token.get("single_word") and content not in file.vocabulary:
            yield f"added token {content!r} matches whole words only, but must enter the vocabulary to keep its id"
