"""An adapter that forgot its new tokens."""

from collections.abc import Iterator

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, error, listed


@check(
    "adapter-without-rows", needs=("adapter", "tokenizer"), symptom="new tokens do nothing once the adapter is there"
)
def adapter_without_rows(case: Case) -> Iterator[Finding]:
    """The tokenizer has tokens that the base has no row for, and the adapter brings none."""
    assert case.adapter
    assert case.vocabulary
    rows, size = case.tables.rows, case.vocabulary.size
    lost = [number for number in range(rows, size) if case.vocabulary.file.tokens[number] is not None]
    brings = [*case.adapter.whole_tables(), *case.adapter.token_rows()]
    inside = [number for number in case.new_ids() if number < rows]
    missing = lost if not case.adapter.whole_tables() else []
    if not brings:
        missing = [*inside, *missing]
    if missing:
        yield error(
            f"{len(missing)} new tokens ({listed(case.vocabulary.named(missing))}) have no row in the base "
            f"({rows} rows), and the adapter holds {listed(brings) or 'no row of either table'}"
            if lost
            else f"{len(missing)} new tokens ({listed(case.vocabulary.named(missing))}) and an adapter with no "
            "row of either table",
            "Whoever loads base and adapter has to resize the base, and gets new random rows each time.",
            "save with trainable_token_indices or with both tables in modules_to_save, or ship the merged model",
            ids=missing[:50],
            base_rows=rows,
            tokenizer_size=size,
            holds=brings,
        )
