"""Ids that change at a reload."""

from collections.abc import Iterator

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import KEPT, Finding, error, listed


@check("special-ids-move", needs=("tokenizer",), symptom="the chat model is confused after its tokenizer was extended")
def special_ids_move(case: Case) -> Iterator[Finding]:
    """Tokens get other ids when `tokenizer.json` is loaded than the file itself gives them."""
    assert case.vocabulary
    loaded = case.vocabulary.file.tokenizer.get_vocab(with_added_tokens=True)
    written = case.vocabulary.file.ids
    moved = {token: (number, loaded.get(token)) for token, number in written.items() if loaded.get(token) != number}
    if moved:
        shown = listed([f"{token!r} {old} → {new}" for token, (old, new) in moved.items()], 4)
        yield error(
            f"{len(moved)} of {len(written)} tokens change their id at loading: {shown}",
            "Added tokens outside the model's own vocabulary are numbered anew after it, whatever the file says. Every "
            "row that they had belongs to another token now.",
            "write each added token into model.vocab under its id, and leave no gaps (tokengraft extend does)",
            moved={token: list(pair) for token, pair in list(moved.items())[:KEPT]},
            count=len(moved),
        )
