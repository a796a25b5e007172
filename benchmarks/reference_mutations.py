"""Do graders catch wrong programs? Reference solutions are damaged at random places, and should then fail.

    python benchmarks/reference_mutations.py humaneval ../shared/data/bench/HumanEval.jsonl.gz --allow-code-execution

Each kind of damage is tried once for each problem that has a place for it. `nothing` leaves the function without a
body: it must always fail. The others may leave a program that still does the same, or that the tests do not tell apart.
"""

import argparse
import ast
import random
from collections import Counter
from dataclasses import replace

from tokengraft.evaluation.code_tasks.data import load_task
from tokengraft.evaluation.code_tasks.runner import Runner

SWAPPED = {ast.Lt: ast.GtE, ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.GtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
           ast.In: ast.NotIn, ast.NotIn: ast.In}  # fmt: skip
ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult}


def nothing(function, draw):  # noqa: ARG001
    function.body = [ast.Pass()]
    return True


def no_return(function, draw):
    return _at_one(function, ast.Return, draw, lambda node: node.value is not None, _forget)


def comparison(function, draw):
    return _at_one(function, ast.Compare, draw, lambda node: type(node.ops[0]) in SWAPPED, _swap)


def arithmetic(function, draw):
    return _at_one(function, ast.BinOp, draw, lambda node: type(node.op) in ARITHMETIC, _other)


def constant(function, draw):
    return _at_one(function, ast.Constant, draw, lambda node: type(node.value) is int, _one_more)


KINDS = {"nothing": nothing, "no return": no_return, "comparison": comparison, "arithmetic": arithmetic,
         "constant": constant}  # fmt: skip


def damaged(source, name, kind, seed):
    """The source with one place in the function called `name` damaged; None where there is no such place."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name]
    if not functions or not KINDS[kind](functions[-1], random.Random(seed)):
        return None
    return ast.unparse(ast.fix_missing_locations(tree))


def _at_one(function, kind, draw, fits, change):
    places = [node for part in function.body for node in ast.walk(part) if isinstance(node, kind) and fits(node)]
    if places:
        change(draw.choice(places))
    return bool(places)


def _forget(node):
    node.value = None


def _swap(node):
    node.ops[0] = SWAPPED[type(node.ops[0])]()


def _other(node):
    node.op = ARITHMETIC[type(node.op)]()


def _one_more(node):
    node.value += 1


def entry_of(record):
    """The name of the function that a record's tests call."""
    if "entry_point" in record:
        return record["entry_point"]
    called = ast.parse(record["test_list"][0])
    names = [
        node.func.id for node in ast.walk(called) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    defined = {node.name for node in ast.walk(ast.parse(record["code"])) if isinstance(node, ast.FunctionDef)}
    return next((name for name in names if name in defined), None)


def damaged_programs(task, kinds, seed=0):
    """Pairs of (kind, problem) and program."""
    for problem in task.problems:
        reference = task.format.reference(problem.record)
        for kind in kinds:
            source = damaged(reference.source, entry_of(problem.record), kind, f"{seed}/{problem.task_id}/{kind}")
            if source is not None:
                yield (kind, problem.task_id), replace(reference, source=source)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task")
    parser.add_argument("file")
    parser.add_argument("--allow-code-execution", action="store_true", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--python")
    arguments = parser.parse_args()
    task = load_task(f"{arguments.task}={arguments.file}", limit=arguments.limit)
    programs = damaged_programs(task, KINDS, arguments.seed)
    tried, caught = Counter(), Counter()
    for (kind, _), verdict in Runner(arguments.python, workers=arguments.workers).run_all(programs):
        tried[kind] += 1
        caught[kind] += not verdict.passed
    print("| damage | programs | failed | share |\n|---|---|---|---|")
    for kind in KINDS:
        print(f"| {kind} | {tried[kind]} | {caught[kind]} | {caught[kind] / max(1, tried[kind]):.1%} |")


if __name__ == "__main__":
    main()
