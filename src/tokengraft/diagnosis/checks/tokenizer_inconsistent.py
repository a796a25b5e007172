"""A tokenizer that contradicts itself."""

from collections.abc import Iterator

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, error
from tokengraft.errors import TokenizerError
from tokengraft.tokenizer.consistency import check_consistent


@check("tokenizer-inconsistent", needs=("tokenizer",), symptom="data did not match any variant of untagged enum")
def tokenizer_inconsistent(case: Case) -> Iterator[Finding]:
    """An id stands for two tokens, a token has two ids, or a merge needs an entry that is not there."""
    assert case.vocabulary
    try:
        check_consistent(case.vocabulary.file.document, case.vocabulary.file.name)
    except TokenizerError as refusal:
        yield error(
            refusal.found,
            f"Expected: {refusal.expected}. What reads the file takes one of the two, and not every program the same.",
            refusal.do,
        )
