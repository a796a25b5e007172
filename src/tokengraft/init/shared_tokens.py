"""Tokens that a donor model and the model have in common, by their bytes."""

from jaxtyping import Float
from torch import Tensor

from tokengraft.errors import ConfigError, TokenizerError
from tokengraft.init import InitContext
from tokengraft.init.ingredients import Donor

LEAST_SHARED = 8
"""Shared tokens below which nothing can be carried over."""


def half_of(context: InitContext) -> str:
    """The donor's table that answers to the one asked for; a bias belongs to the head."""
    return "inputs" if context.table == "inputs" else "head"


def shared_tokens(table: Float[Tensor, "base d"], context: InitContext) -> tuple[Donor, list[tuple[int, int]]]:
    """The donor, and (id here, id there) of tokens of the same bytes.

    Raises:
        ConfigError: there are hardly any.
    """
    assert context.ingredients.donor is not None
    donor = context.ingredients.donor()
    spelled = {_bytes(context, number): number for number in reversed(range(len(table)))}
    shared = sorted((here, donor.ids[data]) for data, here in spelled.items() if data and data in donor.ids)
    if len(shared) < LEAST_SHARED:
        raise ConfigError(
            found=f"a donor that shares {len(shared)} tokens with the model",
            expected=f"{LEAST_SHARED} tokens or more of the same bytes",
            do="choose another donor in init.donor",
        )
    return donor, shared


def _bytes(context: InitContext, number: int) -> bytes:
    try:
        return context.token_bytes(number)
    except TokenizerError:  # an id that is not in use
        return b""
