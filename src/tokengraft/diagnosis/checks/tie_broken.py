"""A tie that the weights contradict."""

from collections.abc import Iterator

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import KEPT, Finding, error, info, listed


@check("tie-broken", needs=(), symptom="another model after saving and loading; GGUF output differs")
def tie_broken(case: Case) -> Iterator[Finding]:
    """The settings tie the tables and the weights hold two different ones; or two equal ones that are not tied."""
    tables = case.tables
    if tables.shared or tables.head_name is None or tables.rows != tables.head_rows:
        return
    different = (tables.input.hashes != tables.head.hashes).nonzero()[:, 0].tolist()
    if tables.tied and different:
        yield error(
            f"tie_word_embeddings is true and {len(different)} of {tables.rows} rows differ between input table and "
            f"head: rows {listed(different)}",
            "What loads or converts the model by its settings throws one of the two away. set_input_embeddings, and "
            "training an adapter's copy of one table, break a tie in silence.",
            "decide which is meant: set tie_word_embeddings to false to keep both, or tie again with "
            "model.tie_weights() and save",
            rows=different[:KEPT],
            differing=len(different),
        )
    elif not tables.tied and not different:
        yield info(
            f"the two tables are equal in all {tables.rows} rows and tie_word_embeddings is false",
            "They are stored twice and drift apart as soon as one is trained.",
            "set tie_word_embeddings to true if the model was tied",
            rows=tables.rows,
        )
