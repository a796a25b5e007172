"""Control tokens of the template that are no tokens."""

from collections.abc import Iterator

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, warning
from tokengraft.diagnosis.remedies import like


@check("template-token-missing", needs=("tokenizer", "template"), symptom="the model writes <|im_end|> as text")
def template_token_missing(case: Case) -> Iterator[Finding]:
    """The chat template writes a control token that the tokenizer does not know as one."""
    assert case.vocabulary
    vocabulary = case.vocabulary
    missing = [token for token in vocabulary.template_tokens if len(vocabulary.encode(token)) != 1]
    if missing:
        pieces = {token: vocabulary.encode(token) for token in missing}
        shown = "; ".join(f"{token!r} is {len(ids)} tokens" for token, ids in pieces.items())
        yield warning(
            f"the chat template writes {len(missing)} control tokens that the tokenizer lacks: {shown}",
            "Each costs several positions, its pieces merge with the text around it, and generation cannot stop on "
            "it. A few models were trained so and are fine.",
            "add them with rows of their own: tokengraft special MODEL "
            + " ".join(f"--token {like(token)}" for token in missing)
            + " --out NEW",
            tokens=pieces,
        )
