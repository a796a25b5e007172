"""Rows of zeros."""

from collections.abc import Iterator

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import KEPT, Finding, info, listed, warning
from tokengraft.diagnosis.importance import important
from tokengraft.diagnosis.remedies import make_anew


@check("rows-zero", needs=(), symptom="a new token is ignored, or gets enormous gradients")
def rows_zero(case: Case) -> Iterator[Finding]:
    """Rows of tokens that are all zero; the pad token's row, which is often so on purpose, is left out."""
    pad = case.vocabulary.id_of("pad_token") if case.vocabulary else getattr(case.text_settings, "pad_token_id", None)
    marked = important(case)
    for name, table in case.tables.each():
        zero = table.finite[: case.used] & (table.norms[: case.used] == 0)
        rows = [row for row in zero.nonzero()[:, 0].tolist() if row != pad]
        if rows:
            used = [row for row in rows if row in marked]
            say = warning if used else info
            yield say(
                f"{len(rows)} rows of the {name} are zero: {listed([f'{row} {case.token(row)!r}' for row in rows])}"
                + (f"; {len(used)} of these tokens are special, new or in the data" if used else ""),
                "A zero input row gets nine times the usual gradient under RMSNorm, and a zero head row has logit 0, "
                "which is above that of most tokens.",
                make_anew(case, used or rows, name),
                table=table.name,
                rows=rows[:KEPT],
                count=len(rows),
                in_use=used[:KEPT],
            )
