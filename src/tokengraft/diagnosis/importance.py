"""Which tokens a training or a chat really uses, so that a fault in their rows is more than a curiosity."""

from tokengraft.diagnosis.case import Case


def important(case: Case) -> set[int]:
    """Ids with a role, in the chat template, new, or as text in the batches."""
    found: set[int] = set(case.new_ids())
    if case.vocabulary:
        ids = case.vocabulary.file.ids
        named = [token for role, token in case.vocabulary.roles.items() if role in {"bos_token", "eos_token"}]
        found |= {ids[token] for token in (*named, *case.vocabulary.template_tokens) if token in ids}
    return found | in_batches(case)


def in_batches(case: Case) -> set[int]:
    """Ids that the batches hold as text."""
    return {number for batch in case.any_batches for number in batch.ids[batch.attended].unique().tolist()}
