"""Long tokens."""

from tokengraft.tokenizer.filters import Refuse, filters
from tokengraft.tokenizer.filters.arguments import positive


@filters.register("longer-than")
def longer_than(argument: str) -> Refuse:
    """Tokens of more characters than the argument says, as in `longer-than:16`; a part of a character counts as one."""
    most = positive("longer-than", argument)

    def refuse(data: bytes) -> str | None:
        length = len(data.decode("utf-8", errors="replace"))
        return f"{length} characters" if length > most else None

    return refuse
