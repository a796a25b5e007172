"""New tokens that an adapter leaves out."""

from collections.abc import Iterator

from tokengraft.diagnosis.case import Case
from tokengraft.diagnosis.checks import check
from tokengraft.diagnosis.checks.rows_untrained import collapsed
from tokengraft.diagnosis.finding import KEPT, Finding, error, listed, warning


@check("new-rows-not-trained", needs=("training", "tokenizer"), symptom="a new special token is never generated")
def new_rows_not_trained(case: Case) -> Iterator[Finding]:
    """LoRA on the layers alone, while new tokens have rows that nobody trains; or rows of the input table alone."""
    assert case.training
    assert case.vocabulary
    if not case.training.is_lora:
        return
    tables = case.tables
    new = case.new_ids() or collapsed(tables.weights, tables.head, case.used)
    if new and _head_left_out(case):
        yield warning(
            f"{len(new)} new tokens ({listed(case.vocabulary.named(new))}), and trainable_token_indices names rows of "
            "the input table alone: the tables are not tied",
            "The model learns to read the tokens, but their head rows stay what they were. For tokens of the prompt "
            "alone that is right.",
            _plan(case, new[:KEPT]),
            ids=new[:KEPT],
        )
    if case.training.trains_tables:
        given = set(case.training.trainable_token_indices)
        whole = case.training.modules_to_save or any("embed" in name for name in case.training.target_modules or ())
        new = [] if whole or not given else [row for row in new if row not in given]
    if new:
        yield error(
            f"{len(new)} new tokens ({listed(case.vocabulary.named(new))}) and a LoRA of "
            f"{listed(list(case.training.target_modules or ()))}, which trains no row of them",
            "The layers learn to ask for the tokens, but their head rows stay what the resize made of them and never "
            "win; their input rows stay indistinguishable.",
            f"{_plan(case, new[:KEPT])}; save with the tokenizer beside it",
            ids=new[:KEPT],
            target_modules=list(case.training.target_modules or ()),
        )


def _plan(case: Case, rows: list[int]) -> str:
    """What to add to LoraConfig: peft takes a list for the input table and, where it is tied, for the head with it."""
    tables = case.tables
    held = [tables.input_name] if tables.tied else [tables.input_name, tables.head_name or tables.input_name]
    names = [name.removesuffix(".weight").rpartition(".")[2] for name in held]
    given, more = (rows, " with ensure_weight_tying=True") if len(names) == 1 else (dict.fromkeys(names, rows), "")
    return f"add trainable_token_indices={given} to LoraConfig, or modules_to_save={names}{more}"


def _head_left_out(case: Case) -> bool:
    assert case.training
    plan = case.training
    named = {module.rpartition(".")[2] for module in (*plan.trainable_token_modules, *plan.modules_to_save)}
    head = (case.tables.head_name or "").removesuffix(".weight").rpartition(".")[2]
    return bool(plan.trainable_token_indices) and not case.tables.tied and head not in named
