"""An evaluation on code from files to figures: what is written, what is said, and that a stopped one goes on."""

import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tokengraft.errors import CheckError, ConfigError, RunFolderError
from tokengraft.evaluation.code_tasks import CodeTasksConfig, check_references, grade_code_tasks, run_code_tasks
from tokengraft.evaluation.code_tasks.environment import environment
from tokengraft.evaluation.code_tasks.generation import Answer
from tokengraft.evaluation.code_tasks.ledger import Ledger
from tokengraft.evaluation.code_tasks.passes import mean_pass_at_k, pass_at_k
from tokengraft.evaluation.code_tasks.runner import Runner, Verdict

PROBLEMS = [
    {"id": "right", "prompt": "def f():\n", "test": "assert f() == 1", "reference": "    return 1\n"},
    {"id": "wrong", "prompt": "def f():\n", "test": "assert f() == 2", "reference": "    return 2\n"},
    {"id": "silent", "prompt": "def f():\n", "test": "assert f() == 3", "reference": "    return 3\n"},
    {"id": "long", "prompt": "# " + "x" * 200, "test": "pass", "reference": "\n"},
    {"id": "broken", "prompt": "def f():\n", "test": "assert f() == 4", "reference": "    return 5\n"},
    {"id": "lacking", "prompt": "import nowhere_at_all\n", "test": "pass", "reference": "\n"},
    {"id": "free", "prompt": "def f():\n", "test": "assert f()"},
]
TEXTS = {"right": "    return 1\n", "wrong": "    return 3\n", "silent": "", "broken": "    return 4\n",
         "lacking": "", "free": "    return 1 / 0\n"}  # fmt: skip


class Oracle:
    """A backend that knows what to say; every character is a token."""

    context = 100

    def __init__(self, texts=TEXTS, stop_after=None):
        self.texts, self.stop_after, self.asked = texts, stop_after, []
        self.tokenizer = self.tokenize
        self.fingerprint = "oracle"

    def tokenize(self, text, **_):
        return {"input_ids": [ord(letter) for letter in text]}

    def generate(self, requests, sampling):  # noqa: ARG002
        for place, request in enumerate(requests):
            if place == self.stop_after:
                raise KeyboardInterrupt
            self.asked.append((request.task_id, request.sample))
            text = self.texts[request.task_id]
            text = text if isinstance(text, str) else text[request.sample]
            yield [Answer(request.task_id, request.sample, text, len(text), len(request.ids), "end")]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "few.jsonl"
    path.write_text("".join(json.dumps(problem) + "\n" for problem in PROBLEMS))
    return path


@pytest.fixture
def settings(file, tmp_path):
    return CodeTasksConfig(
        tasks=(str(file),), out=str(tmp_path / "out"), allow_code_execution=True, workers=1, seconds=30.0
    )


@pytest.fixture
def backend(monkeypatch):
    """Puts a backend in the place of transformers."""

    def use(oracle):
        registry = SimpleNamespace(get=lambda _: lambda *_: oracle)
        monkeypatch.setattr("tokengraft.evaluation.code_tasks.generation.backends", registry)
        return oracle

    return use


def rows(settings, name):
    return Ledger(__import__("pathlib").Path(settings.out) / "few" / name).rows()


def test_figures(settings, backend, tmp_path):
    backend(Oracle())
    results = run_code_tasks("some/model", None, settings)
    [task] = results.tasks
    assert (task.problems, task.dropped, task.scored) == (7, 2, 5)
    assert task.outcomes == {"right": [True], "wrong": [False], "silent": [False], "long": [False], "free": [False]}
    assert task.pass_at == {"1": 0.2}
    assert (task.too_long, task.empty) == (1, 1)
    assert task.statuses == {"failed": 1, "passed": 1, "syntax": 1, "context": 1, "error": 1}
    assert task.references_passed == pytest.approx(4 / 5)
    dropped = json.loads((tmp_path / "out" / "few" / "dropped.json").read_text())
    assert dropped["dropped"] == {
        "lacking": "no module nowhere_at_all", "broken": "reference failed: AssertionError: "
    }  # fmt: skip
    assert dropped["missing_modules"] == {"nowhere_at_all": 1}
    assert dropped["environment"]["python"] == ".".join(map(str, sys.version_info[:3]))
    written = json.loads((tmp_path / "out" / "results.json").read_text())
    assert written == results.to_dict()


def test_nothing_runs_without_the_users_word(settings, monkeypatch):
    monkeypatch.setattr(Runner, "run", lambda *_: pytest.fail("a program was run"))
    for call in (lambda s: run_code_tasks("m", None, s), grade_code_tasks, check_references):
        with pytest.raises(ConfigError, match="no sandbox"):
            call(replace(settings, allow_code_execution=False))


def test_a_stopped_evaluation_goes_on(settings, backend):
    stopped = backend(Oracle(stop_after=3))
    with pytest.raises(KeyboardInterrupt):
        run_code_tasks("m", None, settings)
    assert len(rows(settings, "samples.jsonl")) == 1 + 3  # one had no room in the context
    again = backend(Oracle())
    run_code_tasks("m", None, settings)
    assert not set(stopped.asked) & set(again.asked)
    assert len(rows(settings, "samples.jsonl")) == 7
    third = backend(Oracle())
    run_code_tasks("m", None, settings)
    assert third.asked == []
    assert len(rows(settings, "verdicts.jsonl")) == 4
    assert len(rows(settings, "references.jsonl")) == 5


def test_a_stop_while_grading(settings, backend, monkeypatch):
    backend(Oracle())
    run, count = Runner.run, []

    def stops(self, program):
        count.append(program)
        if len(count) == 7:
            raise KeyboardInterrupt
        return run(self, program)

    monkeypatch.setattr(Runner, "run", stops)
    with pytest.raises(KeyboardInterrupt):
        run_code_tasks("m", None, settings)
    before = len(rows(settings, "verdicts.jsonl"))
    monkeypatch.setattr(Runner, "run", run)
    assert before < 4
    assert grade_code_tasks(settings).tasks[0].scored == 5


def test_another_model_is_not_mixed_in(settings, backend):
    backend(Oracle())
    run_code_tasks("m", None, settings)
    other = backend(Oracle())
    other.fingerprint = "another"
    with pytest.raises(RunFolderError, match="fingerprint 'oracle', now 'another'"):
        run_code_tasks("m", None, settings)
    backend(Oracle())
    with pytest.raises(RunFolderError, match="seed 0, now 1"):
        run_code_tasks("m", None, replace(settings, seed=1))


def test_another_environment_grades_again(settings, backend):
    backend(Oracle())
    run_code_tasks("m", None, settings)
    graded = len(rows(settings, "verdicts.jsonl"))
    again = grade_code_tasks(replace(settings, limits=replace(settings.limits, processes=7)))
    assert again.tasks[0].pass_at == {"1": 0.2}
    assert len(rows(settings, "verdicts.jsonl")) == 2 * graded


def test_more_samples_are_added_to_those_there(settings, backend):
    texts = {**TEXTS, "right": ["    return 1\n", "    return 2\n", "    return 1\n"]}
    texts = {name: [text] * 3 if isinstance(text, str) else text for name, text in texts.items()}
    one = replace(settings, samples=1, temperature=0.5)
    backend(Oracle(texts))
    run_code_tasks("m", None, one)
    asked = backend(Oracle(texts))
    results = run_code_tasks("m", None, replace(one, samples=3, ks=(1, 2)))
    assert all(sample > 0 for _, sample in asked.asked)
    [task] = results.tasks
    assert task.pass_at == {"1": pytest.approx(2 / 15), "2": pytest.approx(1 / 5)}
    assert task.interval.low <= 2 / 15 <= task.interval.high


def test_grading_alone(settings, backend):
    with pytest.raises(ConfigError, match="no answers to few"):
        grade_code_tasks(settings)
    backend(Oracle(stop_after=2))
    with pytest.raises(KeyboardInterrupt):
        run_code_tasks("m", None, settings)
    [task] = grade_code_tasks(settings).tasks
    assert (task.scored, task.missing) == (3, 2)


def test_without_cleaning_nothing_is_dropped(settings, backend):
    backend(Oracle())
    [task] = run_code_tasks("m", None, replace(settings, clean=False)).tasks
    assert (task.scored, task.dropped, task.references_passed) == (7, 0, None)


def test_references_alone(settings):
    cleaned = check_references(settings)["few"]
    assert (cleaned.ran, cleaned.passed, set(cleaned.dropped)) == (5, 4, {"broken", "lacking"})


def test_a_machine_that_can_run_nothing_blames_no_model(settings, monkeypatch):
    monkeypatch.setattr(Runner, "run", lambda *_: Verdict("defect", "no processes", 0.0))
    with pytest.raises(CheckError, match="no processes"):
        check_references(settings)


def test_a_program_that_ends_its_supervisor_is_to_blame(settings, monkeypatch):
    run = Runner.run

    def ended(self, program):
        return Verdict("defect", "?", 0.0) if "return 1" in program.source else run(self, program)

    monkeypatch.setattr(Runner, "run", ended)
    assert check_references(settings)["few"].dropped["right"] == "reference killed: ?"


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"tasks": ()}, "no tasks"), ({"samples": 2}, "temperature 0"), ({"samples": 0}, "samples = 0"),
        ({"ks": (2,)}, "pass@2 of 1"), ({"temperature": -1.0}, "temperature = -1"), ({"top_p": 0.0}, "top_p"),
        ({"form": "talk"}, "form = 'talk'"), ({"seconds": 0.0}, "seconds"), ({"limit": 0}, "limit = 0"),
        ({"python": "/nowhere/python"}, "/nowhere/python"), ({"python": "/bin/false"}, "/bin/false"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be(settings, changes, found):
    with pytest.raises(ConfigError, match=found):
        run_code_tasks("m", None, replace(settings, **changes))


def test_the_same_task_twice(settings, file):
    with pytest.raises(ConfigError, match="each once"):
        check_references(replace(settings, tasks=(str(file), str(file))))


def test_the_ledger_forgets_a_torn_line(tmp_path):
    ledger = Ledger(tmp_path / "a" / "b.jsonl")
    assert ledger.rows() == []
    ledger.add([{"x": 1}, {"x": "\ud800\n"}])
    with ledger.path.open("ab") as handle:
        handle.write(b'{"x": 3')
    assert ledger.rows() == [{"x": 1}, {"x": "\ud800\n"}]
    ledger.add([{"x": 4}])
    assert ledger.rows()[-1] == {"x": 4}


def test_pass_at_k_is_the_share_of_draws_with_a_pass():
    from itertools import combinations

    for samples in range(1, 7):
        for passed in range(samples + 1):
            for k in range(1, samples + 1):
                draws = list(combinations([True] * passed + [False] * (samples - passed), k))
                assert pass_at_k(samples, passed, k) == pytest.approx(sum(map(any, draws)) / len(draws), abs=1e-12)
    assert mean_pass_at_k([[True], [False]], 1) == 0.5


def test_a_missing_library_is_named_once():
    world = environment(None, {"json", "numpy", "nowhere_at_all"})
    assert world.missing == ("nowhere_at_all",)
    assert "numpy" in world.versions


def test_grading_loads_no_torch(settings, backend, file):
    backend(Oracle())
    run_code_tasks("m", None, settings)
    script = (
        "import sys\nfrom tokengraft.cli import main\ntry:\n    main(sys.argv[1:])\nfinally:\n"
        "    print('loaded:', *sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    command = [sys.executable, "-W", "error", "-c", script, "code-tasks", "--grade-only", "--tasks", str(file), "--out",
               settings.out, "--allow-code-execution", "--seconds", "30", "--json"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    printed, _, loaded = done.stdout.rpartition("loaded:")
    assert loaded.strip() == ""
    assert json.loads(printed)["tasks"][0]["pass_at"] == {"1": 0.2}


def test_the_command_end_to_end(file, here, tmp_path):
    """The bundled model, in a fresh process; then the same command again here, which has nothing left to do."""
    from tokengraft.bundled import MODEL_DIR

    command = ["code-tasks", str(MODEL_DIR), "--tasks", f"prompt-and-test={file}", "--out", str(tmp_path / "o"),
               "--limit", "3", "--max-new-tokens", "6", "--seconds", "30"]  # fmt: skip
    refused = here(*command)
    assert refused.returncode == 1
    assert "no sandbox" in refused.stderr
    command.append("--allow-code-execution")
    fresh = [sys.executable, "-m", "tokengraft", *command]
    first = subprocess.run(fresh, capture_output=True, text=True, timeout=300, check=True)
    second = here(*command)
    assert second.returncode == 0, second.stderr
    assert "pass@1" in first.stdout
    assert first.stdout == second.stdout
    samples = (tmp_path / "o" / "prompt-and-test" / "samples.jsonl").read_text().splitlines()
    assert [json.loads(line)["tokens"] <= 6 for line in samples] == [True] * 3


def problem(name, **more):
    return {"task_id": name, "prompt": f"def {name}(x):\n", "test": f"assert {name}(2) == 2",
            "reference": "    return x\n", **more}  # fmt: skip


def test_one_bad_item_loses_nothing_of_the_others(here, tmp_path):
    """Records that are no problem, a prompt that no tokenizer takes, one that is too long, a missing library."""
    from tokengraft.bundled import MODEL_DIR

    rows = [
        problem("a"), {"prompt": "x"}, "[1]", "{torn", problem("u", prompt="# \ud800\ndef u(x):\n"), problem("a"),
        problem("b", prompt="# word" * 4000 + "\ndef b(x):\n"), problem("c", test="import not_there_at_all"),
        problem("d", test="import not_there_at_all"), problem("e", reference="    return 3\n"), problem("f"),
    ]  # fmt: skip
    path = tmp_path / "bad.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    command = ["--tasks", f"prompt-and-test={path}", "--out", str(tmp_path / "o"), "--max-new-tokens", "4",
               "--seconds", "30", "--allow-code-execution"]  # fmt: skip
    done = here("code-tasks", MODEL_DIR, *command)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "5 records left out as no problem (line 2: no field test;" in said
    assert "1 prompt longer than the model's context, counted as failed" in said
    assert "the interpreter lacks not_there_at_all (needed by 2 problems); problems that need them are dropped" in said
    assert said.count("not_there_at_all") == 1, "named once"
    [task] = json.loads((tmp_path / "o" / "results.json").read_text())["tasks"]
    assert sorted(task["outcomes"]) == ["a", "b", "f"]
    assert (task["problems"], task["dropped"], task["statuses"]["context"]) == (6, 3, 1)
    assert "surrogates not allowed" in task["unreadable"]["line 5"]
    again = here("code-tasks", *command, "--references")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("not_there_at_all") == 1
    assert "e: reference failed" in again.stdout


@pytest.mark.data
@pytest.mark.parametrize("name", ["bigcodebench", "ds1000", "humaneval", "mbpp"])
def test_files_for_the_official_programs(shared_data, tmp_path, backend, name):
    class Same(Oracle):
        context = 10**6

        def generate(self, requests, sampling):  # noqa: ARG002
            yield [Answer(one.task_id, one.sample, "    return 1\n", 3, len(one.ids), "end") for one in requests]

    backend(Same())
    settings = CodeTasksConfig(tasks=(name,), data=str(shared_data / "bench"), out=str(tmp_path), limit=2, seconds=30.0,
                               allow_code_execution=True, clean=False)  # fmt: skip
    run_code_tasks("m", None, settings)
    there = {path.name for path in (tmp_path / name).iterdir()}
    expected = {
        "bigcodebench": "bigcodebench-complete-sanitized-calibrated.jsonl",
        "ds1000": "ds1000-answers.jsonl",
        "humaneval": "humaneval-samples.jsonl",
    }
    if name in expected:
        written = [json.loads(line) for line in (tmp_path / name / expected[name]).read_text().splitlines()]
        assert len(written) == 2
        keys = {"bigcodebench": {"task_id", "solution"}, "ds1000": {"id", "code", "metadata"}}
        assert set(written[0]) == keys.get(name, {"task_id", "completion"})
    else:
        assert not there & set(expected.values())
