"""An adapter for another number of rows."""

from collections.abc import Iterator

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, error


@check("adapter-size-mismatch", needs=("adapter",), symptom="size mismatch for base_model.model.lm_head.weight")
def adapter_size_mismatch(case: Case) -> Iterator[Finding]:
    """The adapter holds a whole table with another number of rows than the base's."""
    assert case.adapter
    shapes = {name: case.adapter.weights.shape(name)[0] for name in case.adapter.whole_tables()}
    wrong = {name: rows for name, rows in shapes.items() if rows != case.tables.rows}
    if wrong:
        name, rows = next(iter(wrong.items()))
        yield error(
            f"{name} in the adapter has {rows} rows, the base's tables have {case.tables.rows}",
            "PeftModel.from_pretrained raises “size mismatch”: the adapter was trained on a resized base.",
            f"resize the base first, model.resize_token_embeddings({rows}, mean_resizing=False), then load the adapter",
            tensors=wrong,
            base_rows=case.tables.rows,
        )
