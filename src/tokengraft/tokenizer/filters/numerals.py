"""Numbers."""

from tokengraft.tokenizer.filters import Refuse, filters
from tokengraft.tokenizer.filters.arguments import no_argument


@filters.register("numerals")
def numerals(argument: str) -> Refuse:
    """Numbers: tokens with a digit and no letter."""
    no_argument("numerals", argument)

    def refuse(data: bytes) -> str | None:
        text = data.decode("utf-8", errors="ignore")
        number = any(map(str.isnumeric, text)) and not any(map(str.isalpha, text))
        return "holds no letter and a digit" if number else None

    return refuse
