"""Rows with the same bits."""

from collections.abc import Iterator

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import KEPT, Finding, info, listed, warning
from tokengraft.diagnosis.importance import important
from tokengraft.diagnosis.remedies import make_anew
from tokengraft.diagnosis.tables import Table


@check("rows-duplicate", needs=(), symptom="two new tokens behave as one")
def rows_duplicate(case: Case) -> Iterator[Finding]:
    """Tokens that share one and the same row, bit for bit."""
    marked = important(case)
    for name, table in case.tables.each():
        groups = duplicates(table, case.used)
        if not groups:
            continue
        used = [group for group in groups if sum(row in marked for row in group) > 1]
        shown = sorted(used or groups, key=len, reverse=True)[0]
        say = warning if used else info
        yield say(
            f"{sum(map(len, groups))} tokens of the {name} share {len(groups)} rows bit for bit; the largest group: "
            f"{listed([f'{row} {case.token(row)!r}' for row in shown])}",
            "The model cannot tell these tokens apart. That is so for reserved tokens that nobody trained, and a fault "
            "for tokens that mean something.",
            f"{make_anew(case, shown, name)}; then train them",
            table=table.name,
            groups=[group[:KEPT] for group in (used or groups)[:KEPT]],
            in_use=len(used),
        )


def duplicates(table: Table, below: int) -> list[list[int]]:
    """Groups of finite, non-zero rows under `below` with equal bits."""
    kept = (table.finite[:below] & (table.norms[:below] > 0)).nonzero()[:, 0]
    _, group, counts = table.hashes[kept].unique(return_inverse=True, return_counts=True)
    several = kept[counts[group] > 1]
    members: dict[int, list[int]] = {}
    for row, key in zip(several.tolist(), table.hashes[several].tolist(), strict=True):
        members.setdefault(key, []).append(row)
    return list(members.values())
