"""LoRA on one of two tied tables."""

from collections.abc import Iterator

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, error, listed, warning
from tokengraft.diagnosis.training import is_table

ROWS = "train single rows with trainable_token_indices, which knows ties"
COPY = "modules_to_save=['embed_tokens'] with ensure_weight_tying=True"


@check("lora-on-tied-tables", needs=(), symptom="merge_and_unload changes the output")
def lora_on_tied_tables(case: Case) -> Iterator[Finding]:
    """LoRA on a table that is tied to the other, which does not merge into one tensor; or a trained copy of it."""
    if not case.tables.tied:
        return
    adapted, copied, keeps = _on_tables(case)
    if adapted:
        yield error(
            f"the tables are tied and the adapter changes {listed(adapted)}",
            "Input table and head are one tensor. Unmerged, the adapter acts on each use of it by itself; merged, what "
            "was meant for one acts on both, or is added twice (peft 0.21 with ensure_weight_tying=True): the logits "
            "differ by several units.",
            f"{ROWS}; or train the whole table, {COPY}; or leave the tables out of LoRA",
            modules=adapted,
            tie_word_embeddings=True,
        )
    elif copied and not keeps:
        yield warning(
            f"the tables are tied and the adapter trains a copy of {listed(copied)}",
            "The copy unties them: merged, the model has two tables, is larger, and what converts it as a tied model "
            "throws one of them away.",
            f"{ROWS}; or keep the tie, {COPY}",
            modules=copied,
            tie_word_embeddings=True,
        )


def _on_tables(case: Case) -> tuple[list[str], list[str], bool]:
    """Names of tables with LoRA, of tables that are copied, and whether peft was told to keep the tie of the copy; from
    the adapter, else from the plan.
    """
    if case.adapter:
        whole = set(case.adapter.settings.get("modules_to_save") or ())
        copied = [name for name in case.adapter.whole_tables() if _saved(name, whole)]
        return case.adapter.lora_on_tables(), copied, bool(case.adapter.settings.get("ensure_weight_tying"))
    plan = case.training
    if plan and plan.is_lora:
        adapted, copied = (
            [n for n in names if is_table(n)] for names in (plan.target_modules or (), plan.modules_to_save)
        )
        return adapted, copied, plan.ensure_weight_tying
    return [], [], False


def _saved(name: str, modules: set[str]) -> bool:
    """Whether a table was trained as a whole, and not only stored beside the adapter."""
    return any(module.rpartition(".")[2] in name.split(".") for module in modules)
