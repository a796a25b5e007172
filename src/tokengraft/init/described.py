"""Words that a person gives for a token: similar ones by name, or a description."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tokengraft.errors import ConfigError
from tokengraft.init import InitContext, Pieced, initialisers


@initialisers.register(
    "similar", paper="special tokens from words of like meaning, as practitioners do", needs=("names",)
)
def similar(table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext) -> Float[Tensor, "new d"]:
    """Mean over the words named for the token, each the mean of its tokens; the pieces' mean where none is named."""
    names = context.ingredients.names or {}
    return _of_texts(table, tokens, context, {token: list(words) for token, words in names.items()})


@initialisers.register("description", paper="mean of the tokens of a description", needs=("descriptions",))
def description(
    table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext
) -> Float[Tensor, "new d"]:
    """Mean of the rows of the tokens of the token's description; the pieces' mean where there is none."""
    texts = context.ingredients.descriptions or {}
    return _of_texts(table, tokens, context, {token: [text] for token, text in texts.items()})


def _of_texts(
    table: Float[Tensor, "base d"], tokens: Sequence[Pieced], context: InitContext, texts: dict[str, list[str]]
) -> Float[Tensor, "new d"]:
    known = {token.bytes.decode("utf-8", errors="replace") for token in tokens}
    unknown = sorted(set(texts) - known)
    if unknown:
        raise ConfigError(
            found=f"words for {unknown[0]!r}, which is no new token",
            expected=f"text of new tokens, for instance {min(known)!r}",
            do="mind the leading space, and leave out tokens that were not added",
        )
    given = context.ingredients

    def row(token: Pieced) -> Float[Tensor, " d"]:
        words = texts.get(token.bytes.decode("utf-8", errors="replace"))
        assert given.encode_base is not None
        spelled = [ids for ids in given.encode_base(words) if ids] if words else []
        return torch.stack([table[ids].mean(0) for ids in spelled or [list(token.pieces)]]).mean(0)

    return torch.stack([row(token) for token in tokens])
