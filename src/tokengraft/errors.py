"""The one exception tree. Every error says what was found, what was expected, and what to do.

>>> raise CorpusError(found="0 documents in notes/", expected="at least one text", do="check the path")
Traceback (most recent call last):
tokengraft.errors.CorpusError: found: 0 documents in notes/
expected: at least one text
do: check the path
"""


class TokengraftError(Exception):
    """Something that the user can put right. The command line prints it and ends with exit code 1."""

    def __init__(self, *, found: str, expected: str, do: str) -> None:
        super().__init__(f"found: {found}\nexpected: {expected}\ndo: {do}")
        self.found = found
        self.expected = expected
        self.do = do

    def __reduce__(self) -> tuple[object, ...]:
        """Keyword arguments survive the trip between processes."""
        return _rebuild, (type(self), self.found, self.expected, self.do)


def _rebuild(kind: type[TokengraftError], found: str, expected: str, do: str) -> TokengraftError:
    return kind(found=found, expected=expected, do=do)


class ConfigError(TokengraftError):
    """A setting, flag or configuration file that cannot be used."""


class CorpusError(TokengraftError):
    """A corpus that is empty, unreadable, or not of the form that was said."""


class TokenizerError(TokengraftError):
    """A tokenizer that is missing, contradicts itself, or cannot be extended soundly."""


class ModelError(TokengraftError):
    """A model that is missing, or whose tables are not what growing and training need."""


class CheckError(TokengraftError):
    """A promise that did not hold when it was checked; nothing was written."""


class RunFolderError(TokengraftError):
    """An output folder that belongs to something else, is in use, or cannot be written."""


class DeviceError(TokengraftError):
    """A device or precision that this machine does not have."""


class ExportError(TokengraftError):
    """A form that cannot hold this model, or a file that does not give back what it was made from."""
