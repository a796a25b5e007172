"""How problems are asked and answers become programs, against what the official programs do."""

import gzip
import json

import pytest

from tokengraft.errors import ConfigError
from tokengraft.evaluation.code_tasks.data import load_task
from tokengraft.evaluation.code_tasks.problems import cut, formats
from tokengraft.evaluation.code_tasks.runner import Runner
from tokengraft.evaluation.code_tasks.sanitize import longest_code, sanitize

RECORDS = {
    "humaneval": {
        "task_id": "HumanEval/0", "prompt": 'def one():\n    """Gives 1."""\n', "entry_point": "one",
        "canonical_solution": "    return 1\n", "test": "def check(candidate):\n    assert candidate() == 1\n",
    },
    "mbpp": {
        "task_id": 11, "text": "Write a function that gives 1.", "code": "def one():\r\n  return 1",
        "test_setup_code": "", "test_list": ["assert one() == 1", "assert one() > 0", "assert one() < 2"],
    },
    "ds1000": {
        "prompt": "Give 1.\n<code>\n", "reference_code": "result = 1", "metadata": {"problem_id": 0, "library": "None"},
        "code_context": 'exec_context = r"""\nimport math\n[insert]\n"""\n\n\ndef test_execution(solution):\n'
        '    env = {}\n    exec(exec_context.replace("[insert]", solution), env)\n    assert env["result"] == 1\n\n\n'
        'def test_string(solution):\n    assert "eval" not in solution\n',
    },
    "bigcodebench": {
        "task_id": "BigCodeBench/0", "complete_prompt": 'import os\ndef one():\n    """Gives 1."""\n',
        "instruct_prompt": "Write a function that gives 1.", "code_prompt": "import os\ndef one():\n",
        "canonical_solution": "    return 1", "entry_point": "one",
        "test": "import unittest\nclass TestCases(unittest.TestCase):\n    def test(self):\n"
        "        assert one() == 1\n",
    },
    "prompt-and-test": {"prompt": "def one():\n", "test": "assert one() == 1", "reference": "    return 1\n"},
}  # fmt: skip
RIGHT = {
    "humaneval": "    return 1\n\n# done\nnonsense(",
    "mbpp": "def one():\n    return 1\n[DONE]\nnonsense(",
    "ds1000": "result = 1\n</code>\nnonsense(",
    "bigcodebench": "    return 1\n\ndef other():\n  nonsense(",
    "prompt-and-test": "    return 1\n\nclass Other: nonsense(",
}
WRONG = {name: text.replace("1", "2") for name, text in RIGHT.items()}
CHAT = {
    "humaneval": "    return 1\n```\nThat was it.",
    "mbpp": "def one():\n    return 1\n```\nThat was it.",
    "ds1000": "<code>\nresult = 1\n</code> That was it.",
    "bigcodebench": "import os\ndef one():\n\treturn 1\nprint(one())\n```\nThat was it.",
    "prompt-and-test": "    return 1\n```\nThat was it.",
}


@pytest.fixture(scope="module")
def runner():
    return Runner()


def test_every_format_is_tried_here():
    assert set(formats.names()) == set(RECORDS) == set(RIGHT) == set(CHAT)


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_is_claimed_by_one_format(name):
    assert [entry.name for entry in formats if entry.function.claims(RECORDS[name])] == [name]


@pytest.mark.parametrize("name", RECORDS)
def test_right_passes_and_wrong_fails(runner, name):
    form, record = formats.get(name)(), RECORDS[name]
    assert runner.run(form.reference(record)).passed
    for answer, passes in ((RIGHT[name], True), (WRONG[name], False), ("", False), ("\0\ud800", False)):
        verdict = runner.run(form.program(record, form.solution(record, answer, "completion")))
        assert verdict.passed is passes, (answer, verdict)
    assert runner.run(form.program(record, form.solution(record, CHAT[name], "chat"))).passed


@pytest.mark.parametrize("name", RECORDS)
def test_prompts_say_where_to_stop_and_who_speaks(name):
    form, record = formats.get(name)(), RECORDS[name]
    completion, chat = form.prompt(record, "completion"), form.prompt(record, "chat")
    assert completion.text
    assert not completion.turns
    assert completion.stop
    assert chat.turns[-1][0] == "user"
    assert not chat.text
    assert form.task_id(record, 7)


def test_ds1000_looks_at_the_text_too(runner):
    form, record = formats.get("ds1000")(), RECORDS["ds1000"]
    assert not runner.run(form.program(record, "result = eval('1')")).passed


def test_ds1000_takes_the_marks_away():
    form = formats.get("ds1000")()
    for answer in (
        "x = 1\n</code>y",
        "```python\nx = 1\n```\nThat is",
        "<code>x = 1\nEND SOLUTION\ny",
        "x = 1\n# SOLUTION END",
    ):
        assert form.solution({}, answer, "completion").strip() == "x = 1"


def test_mbpp_shows_three_and_scores_its_test_part():
    form = formats.get("mbpp")()
    text = form.prompt(RECORDS["mbpp"], "completion").text
    assert text.count("[BEGIN]") == 4
    assert text.count("[DONE]") == 3
    assert text.endswith("assert one() == 1\nassert one() > 0\nassert one() < 2\n[BEGIN]\n")
    assert [form.belongs({"task_id": number}) for number in (10, 11, 510, 511)] == [False, True, True, False]


def test_bigcodebench_is_calibrated(runner):
    """Imports of the prompt that the answer leaves out are there, as the official grader puts them there."""
    form, record = formats.get("bigcodebench")(), RECORDS["bigcodebench"]
    answer = "def one():\n    return len(os.sep)\n"
    assert form.program(record, answer).source.startswith("import os\ndef one():\n\n    pass\ndef one()")
    assert runner.run(form.program(record, form.solution(record, answer, "chat"))).passed


def test_bigcodebench_reads_both_names_of_its_fields():
    form, record = formats.get("bigcodebench")(), dict(RECORDS["bigcodebench"])
    old = {"complete_prompt": "prompt", "instruct_prompt": "instruction", "code_prompt": "prompt_wo_doc"}
    renamed = {old.get(key, key): value for key, value in record.items()}
    for how in ("completion", "chat"):
        assert form.prompt(renamed, how) == form.prompt(record, how)
    assert form.reference(renamed) == form.reference(record)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f():\n    return 1", "def f():\n    return 1"),
        ("I say:\ndef f():\n    return 1\nThat is all.", "def f():\n    return 1"),
        (
            "```python\nimport os\ndef f():\n    return g\n\ng = 2\nh = 3\n```",
            "import os\ndef f():\n    return g\ng = 2",
        ),
        ("def f():\n    return 1\n\nassert f() == 1\nprint(f())", "def f():\n    return 1"),
        ("@cache\ndef g():\n    pass\ndef f():\n    return g()", "def f():\n    return g()"),
        ("def f():\n    return 1\ndef f():\n    return 2", "def f():\n    return 1"),
        ("x = 1\ny = 2", "x = 1\ny = 2"),
        ("def f():\n    return f'{g()}'\nclass g:\n    pass", "def f():\n    return f'{g()}'\nclass g:\n    pass"),
        ("", ""),
        ("That is no code at all, is it?\nNo.", "That is no code at all, is it?"),
    ],
)
def test_sanitize(text, expected):
    assert sanitize(text, "f").strip() == expected


@pytest.mark.parametrize(
    "text", ["a b\nx = 1\n\ny = 2\nc d e\nz = 3", "x\n\n\ny z", "1\n2 3\n4\n5", "\n\nx = (\n1)\n", "  x\ny"]
)
def test_the_longest_code_is_what_the_official_search_finds(text):
    assert longest_code(text) == official_search(text)


def official_search(text):
    """All pairs of lines, as the official program tries them."""
    import ast

    lines, best, most = text.split("\n"), (0, 0), 0
    for i in range(len(lines)):
        for j in range(i + 1, len(lines)):
            try:
                ast.parse("\n".join(lines[i : j + 1]))
            except SyntaxError:
                continue
            count = sum(1 for line in lines[i : j + 1] if line.strip())
            if count > most:
                best, most = (i, j), count
    return "\n".join(lines[best[0] : best[1] + 1])


def test_the_first_stop_counts():
    assert cut("a\nb\nc", ("c", "b")) == "a\n"
    assert cut("abc", ()) == "abc"


def write(path, records):
    text = "".join((record if isinstance(record, str) else json.dumps(record)) + "\n" for record in records)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return str(path)


@pytest.mark.parametrize("name", RECORDS)
def test_a_file_is_recognised(tmp_path, name):
    path = write(tmp_path / "some.jsonl.gz", [RECORDS[name]])
    task = load_task(path)
    assert (type(task.format), task.name, len(task.problems)) == (formats.get(name), "some", 1)
    assert load_task(f"{name}={path}").name == name


def test_a_folder_of_benchmarks(tmp_path):
    write(tmp_path / "HumanEval.jsonl.gz", [RECORDS["humaneval"]])
    assert load_task("humaneval", data=str(tmp_path)).source == "HumanEval.jsonl.gz"
    with pytest.raises(ConfigError, match=r"HumanEval\.jsonl\.gz"):
        load_task("mbpp", data=str(tmp_path))


def test_bad_lines_are_left_out_and_named(tmp_path):
    good = RECORDS["prompt-and-test"]
    lines = [
        {**good, "id": 1},
        "{broken",
        "[1]",
        {"prompt": "x"},
        {**good, "id": 1},
        {**good, "prompt": 5},
        {**good, "id": 2},
    ]
    task = load_task(write(tmp_path / "a.jsonl", lines))
    assert [problem.task_id for problem in task.problems] == ["1", "2"]
    assert set(task.unreadable) == {"line 2", "line 3", "line 4", "line 5", "line 6"}
    assert "second problem named 1" in task.unreadable["line 5"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("nothing.jsonl", "no file"), ("humaneval=nowhere", "no file"), ("humanevil", "humanevil"),
        ("prompt-and-test", "without a file"), ("nix=a.jsonl", "nix"),
    ],
)  # fmt: skip
def test_what_is_not_there(name, found):
    with pytest.raises(ConfigError, match=found):
        load_task(name)


@pytest.mark.parametrize("lines", [[], ["{"], [{"question": "x", "answer": "y"}], [{"prompt": 1, "test": 2}]])
def test_files_of_another_format(tmp_path, lines):
    with pytest.raises(ConfigError):
        load_task(write(tmp_path / "a.jsonl", lines))


def test_a_file_that_is_torn(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    write(path, [RECORDS["prompt-and-test"]] * 50)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ConfigError, match="whole"):
        load_task(str(path))


def test_the_hub_out_of_reach(monkeypatch):
    def refuse(*_, **__):
        raise ConnectionError("offline")

    monkeypatch.setattr("datasets.load_dataset", refuse)
    with pytest.raises(ConfigError, match="--data FOLDER"):
        load_task("humaneval")


def test_the_hub(monkeypatch):
    asked = []

    def load(*names, **more):
        asked.append((names, more))
        return [RECORDS["mbpp"]]

    monkeypatch.setattr("datasets.load_dataset", load)
    assert len(load_task("mbpp").problems) == 1
    assert asked == [(("google-research-datasets/mbpp", "full"), {"split": "test"})]


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "count"), [("humaneval", 164), ("mbpp", 500), ("ds1000", 1000), ("bigcodebench", 1140)]
)
def test_the_benchmarks_are_read_whole(shared_data, name, count):
    task = load_task(name, data=str(shared_data / "bench"))
    assert len(task.problems) == count
    assert not task.unreadable
    assert task.format.claims(task.problems[0].record)


@pytest.mark.data
def test_every_humaneval_reference_passes(shared_data):
    task = load_task("humaneval", data=str(shared_data / "bench"))
    jobs = ((problem.task_id, task.format.reference(problem.record)) for problem in task.problems)
    assert [key for key, verdict in Runner(workers=2).run_all(jobs) if not verdict.passed] == []


def mutations():
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path

    path = Path(__file__).resolve().parents[2] / "benchmarks" / "reference_mutations.py"
    spec = spec_from_file_location("reference_mutations", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_damaged_references_fail(tmp_path, runner):
    source = {
        "task_id": "HumanEval/x", "prompt": "def f(x):\n", "entry_point": "f",
        "canonical_solution": "    if x > 2:\n        return x * 3\n    return x - 1\n",
        "test": "def check(f):\n    assert [f(x) for x in (0, 1, 2, 3, 4)] == [-1, 0, 1, 9, 12]\n",
    }  # fmt: skip
    module = mutations()
    task = load_task(write(tmp_path / "a.jsonl", [source]))
    for seed in range(3):
        programs = list(module.damaged_programs(task, module.KINDS, seed))
        assert len(programs) == len(module.KINDS)
        assert [key for key, program in programs if runner.run(program).passed] == []


@pytest.mark.data
def test_humaneval_references_without_a_body_fail(shared_data):
    task = load_task("humaneval", data=str(shared_data / "bench"), limit=40)
    programs = mutations().damaged_programs(task, ["nothing"])
    assert [key for key, verdict in Runner(workers=2).run_all(programs) if verdict.passed] == []
