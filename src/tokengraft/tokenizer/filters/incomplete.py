"""Parts of characters."""

from tokengraft.tokenizer.filters import Refuse, filters
from tokengraft.tokenizer.filters.arguments import no_argument


@filters.register("incomplete")
def incomplete(argument: str) -> Refuse:
    """Incomplete UTF-8. Characters that the base spells as bytes are reached through them, and then not at all."""
    no_argument("incomplete", argument)

    def refuse(data: bytes) -> str | None:
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            return "incomplete UTF-8"
        return None

    return refuse
