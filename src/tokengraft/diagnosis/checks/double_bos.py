"""Two begin tokens."""

from collections.abc import Iterator

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, warning


@check("double-bos", needs=("batches", "tokenizer"), symptom="the prompt starts with two BOS tokens")
def double_bos(case: Case) -> Iterator[Finding]:
    """Sequences begin with the bos token twice: the template writes one and the tokenizer adds another."""
    assert case.vocabulary
    bos = case.vocabulary.id_of("bos_token")
    if bos is None or bos in {case.vocabulary.id_of("pad_token"), case.vocabulary.id_of("eos_token")}:
        return
    twice = total = 0
    for batch in case.batches:
        pairs = (batch.ids[:, :-1] == bos) & (batch.ids[:, 1:] == bos) & batch.attended[:, :-1]
        twice, total = twice + int(pairs.any(1).sum()), total + len(batch.ids)
    if twice:
        yield warning(
            f"{twice} of {total} sequences hold {case.vocabulary.named([bos])[0]} twice in a row",
            "The model was taught with one. The second costs a little quality, and training and use then differ.",
            "encode the rendered template with add_special_tokens=False",
            sequences=twice,
            of=total,
            bos=bos,
        )
