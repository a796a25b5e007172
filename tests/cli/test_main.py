"""The program: exit codes, messages on the right stream, and nothing heavy loaded for a word of help."""

import subprocess
import sys

import pytest

from tokengraft.cli import STOPPED, main
from tokengraft.errors import ModelError

HEAVY = {"torch", "transformers", "datasets", "pyarrow", "matplotlib"}

SCRIPT = """
import sys
from tokengraft.cli import main
code = 0
try:
    main(sys.argv[1:])
except SystemExit as end:
    code = end.code
print("loaded:", *sorted(set(sys.modules) & {heavy}))
sys.exit(code)
"""


def fresh(*arguments):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT.format(heavy=HEAVY), *arguments],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0), (["--version"], 0), (["demo", "--help"], 0), (["expand", "--help"], 0),
        (["eval", "--help"], 0),
        (["report", "--help"], 0), (["demo", "--size", "0"], 1), (["expand", "nowhere.yaml"], 1), (["expand"], 1),
        (["demo", "--size", "many"], 2), (["expnad"], 2),
    ],
)  # fmt: skip
def test_help_and_early_refusals_load_nothing_heavy(arguments, code):
    done = fresh(*arguments)
    assert done.returncode == code, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded:"


def exit_code(*arguments):
    """0 where the program comes back without ending the process."""
    try:
        main(list(arguments))
    except SystemExit as end:
        return end.code
    return 0


@pytest.mark.parametrize("arguments", [[], ["--help"], ["demo", "--help"]])
def test_help_is_done_well(capsys, arguments):
    assert exit_code(*arguments) in {0, None}
    assert "tokengraft" in capsys.readouterr().out


def test_a_refusal_is_one_message_on_the_error_stream(capsys, tmp_path):
    assert exit_code("report", str(tmp_path)) == 1
    output, message = capsys.readouterr()
    assert not output
    assert [message.count(f"{part}: ") for part in ("found", "expected", "do")] == [1, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["expnad"], "expnad"), (["report"], "RUN"), (["demo", "--steps", "many"], "many"),
        (["expand", "--no-such", "1"], "--no-such"), (["report", "a", "second"], "second"),
    ],
)  # fmt: skip
def test_misuse_is_two(capsys, arguments, word):
    assert exit_code(*arguments) == 2
    output, message = capsys.readouterr()
    assert word in message
    assert not output


@pytest.fixture
def run(monkeypatch):
    """The configuration that a command hands to the pipeline, which does nothing but remember it."""
    seen = []
    monkeypatch.setattr("tokengraft.pipeline.expand", seen.append)
    monkeypatch.setattr("tokengraft.cli.summary.print_summary", lambda _: None)
    return seen


def test_flags_of_the_demo_arrive(run):
    words = "--size 9 --steps 3 --out o --device cpu --seed 4 --threads 2"
    others = "--set distill.temperature=2 --set evaluation.memory=false"
    assert exit_code("demo", *words.split(), *others.split()) == 0
    [config] = run
    assert (config.tokens.size, config.distill.steps, config.out, config.device) == (9, 3, "o", "cpu")
    assert (config.seed, config.threads, config.distill.temperature) == (4, 2, 2.0)
    assert not config.evaluation.memory
    assert config.corpus.path == "demo:domain"


def test_flags_come_over_the_file(run, tmp_path):
    (tmp_path / "run.yaml").write_text("model: a\ncorpus: {path: b, field: body}\nseed: 3\ntokens: {size: 5}\n")
    assert exit_code("expand", str(tmp_path / "run.yaml"), "--corpus", "c", "--size", "6", "--general", "g",
                     "--replay", "r", "--trust-remote-code") == 0  # fmt: skip
    [config] = run
    assert (config.model, config.corpus.path, config.corpus.field, config.seed) == ("a", "c", "body", 3)
    assert (config.tokens.size, config.general.path, config.replay.path) == (6, "g", "r")
    assert config.trust_remote_code


@pytest.mark.parametrize("setting", ["replay", "general"])
def test_a_setting_can_be_taken_away(run, setting):
    """null over a configuration that has a value: it is a value itself, not a flag that was not given."""
    assert exit_code("demo", "--set", f"{setting}=null") == 0
    assert getattr(run[0], setting) is None


@pytest.mark.parametrize(
    "settings",
    [["seed=3", "seed.x=1"], ["seed.x=1"], ["tokens=5"], ["=5"], ["a.b=1"], ["distill.steps=[1"], ["distill.steps"]],
)
def test_settings_that_cannot_be_are_one_message(run, capsys, settings):
    assert exit_code("demo", *(word for setting in settings for word in ("--set", setting))) == 1
    assert "found: " in capsys.readouterr().err
    assert not run


def test_a_corpus_and_its_field_go_together(run):
    """In whichever way each of them is said."""
    for words in (
        ["--corpus", "c", "--set", "corpus.field=body"],
        ["--set", "corpus=c", "--field", "body"],
        ["--set", "corpus=c", "--set", "corpus.field=body"],
    ):
        assert exit_code("expand", "--model", "m", *words) == 0
        assert (run[-1].corpus.path, run[-1].corpus.field) == ("c", "body")


def test_flags_alone_are_enough(run):
    assert exit_code("expand", "--model", "m", "--corpus", "c", "--field", "body") == 0
    [config] = run
    assert (config.model, config.corpus.path, config.corpus.field) == ("m", "c", "body")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ModelError(found="a", expected="b", do="c"), 1, "found: a\nexpected: b\ndo: c"),
        (KeyboardInterrupt(), STOPPED, "goes on from the last checkpoint"),
    ],
)
def test_how_a_command_ends(monkeypatch, capsys, error, code, words):
    def ends(_):
        raise error

    monkeypatch.setattr("tokengraft.pipeline.expand", ends)
    assert exit_code("demo") == code
    output, message = capsys.readouterr()
    assert words in message
    assert not output


def test_a_defect_of_ours_is_not_hidden(monkeypatch):
    def ends(_):
        raise ZeroDivisionError

    monkeypatch.setattr("tokengraft.pipeline.expand", ends)
    with pytest.raises(ZeroDivisionError):
        main(["demo"])
