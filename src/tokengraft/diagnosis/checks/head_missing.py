"""No head among the weights."""

from collections.abc import Iterator

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, error


@check("head-missing", needs=(), symptom="Some weights were not initialized from the model checkpoint: lm_head.weight")
def head_missing(case: Case) -> Iterator[Finding]:
    """The weights hold no head and the settings do not tie it: loading makes a random one, with a line in the log."""
    tables = case.tables
    if tables.head_name is None and not tables.tied:
        yield error(
            f"no head among {len(tables.weights.names)} stored weights, and tie_word_embeddings is false",
            "from_pretrained fills the head with random numbers and goes on. It happens when AutoModel saved the "
            "model, or when a tied model's settings lost the tie.",
            "save the model from AutoModelForCausalLM; or set tie_word_embeddings to true if it was tied",
            tie_word_embeddings=False,
            architectures=list(getattr(case.settings, "architectures", None) or []),
        )
