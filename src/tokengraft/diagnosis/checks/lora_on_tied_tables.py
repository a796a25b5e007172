"""LoRA on one of two tied tables."""

from collections.abc import Iterator

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.finding import Finding, error, listed
from tokengraft.diagnosis.training import is_table


@check("lora-on-tied-tables", needs=(), symptom="merge_and_unload changes the output")
def lora_on_tied_tables(case: Case) -> Iterator[Finding]:
    """LoRA, or a trained copy, on a table that is tied to the other: it does not merge into one tensor."""
    if not case.tables.tied:
        return
    held, keeps = _on_tables(case)
    if held and not keeps:
        yield error(
            f"the tables are tied and the adapter changes {listed(held)}",
            "Input table and head are one tensor. Unmerged, the adapter acts on one use of it; merged, on both, or the "
            "tie breaks: the logits differ by several units.",
            "train single rows with trainable_token_indices, which knows ties; or set ensure_weight_tying=True; or "
            "leave the tables out of LoRA",
            modules=held,
            tie_word_embeddings=True,
        )


def _on_tables(case: Case) -> tuple[list[str], bool]:
    """Names on a table, and whether peft was told to keep the tie; from the adapter, else from the plan."""
    if case.adapter:
        whole = set(case.adapter.settings.get("modules_to_save") or ())
        names = [*case.adapter.lora_on_tables(), *(n for n in case.adapter.whole_tables() if _saved(n, whole))]
        return names, bool(case.adapter.settings.get("ensure_weight_tying"))
    if case.training and case.training.is_lora:
        planned = (*(case.training.target_modules or ()), *case.training.modules_to_save)
        return [name for name in planned if is_table(name)], case.training.ensure_weight_tying
    return [], False


def _saved(name: str, modules: set[str]) -> bool:
    """Whether a table was trained as a whole, and not only stored beside the adapter."""
    return any(module.rpartition(".")[2] in name.split(".") for module in modules)
