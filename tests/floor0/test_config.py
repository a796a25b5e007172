"""Settings: what a file may hold, what a flag changes, what is refused and how."""

import dataclasses

import pytest

from tokengraft.cli.options import assignments, nested
from tokengraft.config import RunConfig, as_mappings, merged, read_settings
from tokengraft.config_checks import RULES
from tokengraft.errors import ConfigError


def test_yaml_and_toml_say_the_same(tmp_path):
    yaml, toml = tmp_path / "run.yaml", tmp_path / "run.toml"
    yaml.write_text("model: m\ncorpus: c\ngeneral: {path: g, field: body}\ndistill:\n  rate_head: 1e-4\n")
    toml.write_text('model = "m"\ncorpus = "c"\ngeneral = {path = "g", field = "body"}\n[distill]\nrate_head = 1e-4\n')
    config = RunConfig.from_dict(read_settings(yaml))
    assert config == RunConfig.from_dict(read_settings(toml))
    assert config.distill.rate_head == 1e-4, "YAML reads 1e-4 as text"


def test_what_is_written_out_is_read_back():
    config = RunConfig.from_dict({"model": "m", "corpus": {"path": "c", "include": ["*.py"]}, "seed": 3})
    assert RunConfig.from_dict(config.to_dict()) == config


def test_flags_come_over_the_file():
    file = {"model": "m", "corpus": "c", "tokens": {"size": 5, "min_count": 3}}
    flags = nested({"corpus.field": "body", "tokens.size": 7, "seed": None, **assignments(["distill.steps=9"])})
    config = RunConfig.from_dict(merged(as_mappings(file), flags))
    assert (config.corpus.path, config.corpus.field) == ("c", "body")
    assert (config.tokens.size, config.tokens.min_count, config.distill.steps) == (7, 3, 9)


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"corpus": "c"}, "no model"),
        ({"model": "m"}, "no corpus"),
        ({"model": "m", "corpus": "c", "tokens": {"size": 0}}, "tokens.size = 0"),
        ({"model": "m", "corpus": "c", "tokens": {"size": "many"}}, "tokens.size = 'many'"),
        ({"model": "m", "corpus": "c", "tokens": {"size": True}}, "tokens.size = True"),
        ({"model": "m", "corpus": "c", "tokens": 3}, "tokens = 3"),
        ({"model": "m", "corpus": "c", "distill": {"rate_head": "fast"}}, "distill.rate_head = 'fast'"),
        ({"model": "m", "corpus": "c", "distill": {"steps": -1}}, "distill.steps = -1"),
        ({"model": "m", "corpus": "c", "shares": {"heldout": 0.5}}, "shares that add up to 1.4"),
        ({"model": "m", "corpus": "c", "shares": {"tokens": 0.9, "training": 0.1, "heldout": 0.0}}, "shares.heldout"),
        ({"model": "m", "corpus": "c", "sede": 1}, "unknown setting sede"),
    ],
)
def test_what_cannot_be_is_named(settings, found):
    with pytest.raises(ConfigError) as error:
        RunConfig.from_dict(settings)
    assert found in error.value.found


@pytest.mark.parametrize(
    ("name", "text"), [("a.json", "{}"), ("a.yaml", "a: [1"), ("a.toml", "a ="), ("a.yaml", "- 1"), ("b.yaml", None)]
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path, name, text):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=name):
        read_settings(tmp_path / name)


def test_a_setting_cannot_be_changed_later():
    config = RunConfig.from_dict({"model": "m", "corpus": "c"})
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.seed = 1


def test_an_assignment_needs_a_value():
    with pytest.raises(ConfigError, match="--set seed"):
        assignments(["seed"])


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("seed", [-1]),
        ("threads", [0, -1]),
        ("corpus.max_documents", [0]),
        ("general.max_documents", [0]),
        ("tokens.min_count", [0]),
        ("distill.max_length", [15, 0, -3]),
        ("distill.rate_inputs", [0, -0.1, float("nan"), float("inf")]),
        ("distill.rate_head", [0.0]),
        ("distill.warmup", [-0.1, 1.1, float("nan")]),
        ("distill.decay", [-0.1, 1.1]),
        ("distill.replay_share", [1, -0.1]),
        ("distill.refit_positions", [-1]),
        ("distill.refit_iterations", [-1]),
        ("evaluation.fertility_bytes", [0]),
        ("evaluation.prompts", [-1]),
        ("evaluation.prompt_tokens", [-1]),
        ("evaluation.samples", [-1]),
    ],
)
def test_a_value_outside_its_range_is_named(setting, values):
    for value in values:
        with pytest.raises(ConfigError) as error:
            RunConfig.from_dict(settings_with(setting, value))
        assert error.value.found.startswith(f"{setting} = ")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("seed", 0), ("threads", None), ("threads", 1), ("corpus.max_documents", None), ("distill.max_length", None),
        ("distill.max_length", 16), ("distill.warmup", 0), ("distill.decay", 1), ("distill.refit_positions", 0),
        ("evaluation.prompts", 0), ("evaluation.prompt_tokens", 0), ("evaluation.samples", 0), ("general", None),
    ],
)  # fmt: skip
def test_values_at_the_edge_of_their_range(setting, value):
    assert RunConfig.from_dict(settings_with(setting, value))


def settings_with(setting, value):
    base = {"model": "m", "corpus": {"path": "c"}, "general": {"path": "g"}}
    for name in reversed(setting.split(".")):
        value = {name: value}
    return merged(base, value)


def test_every_rule_is_of_a_setting_that_there_is():
    settings = RunConfig.from_dict(
        {
            "model": "m",
            "tokens": {"reference": "r"},
            **{name: {"path": name} for name in ("corpus", "general", "replay")},
        }
    ).to_dict()
    for name in RULES:
        place = settings
        for part in name.split("."):
            assert part in place, name
            place = place[part]


def test_home_is_written_out(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    config = RunConfig.from_dict({"model": "~/m", "corpus": "~/c", "out": "~/o"})
    assert (config.model, config.out) == ("/home/ada/m", "/home/ada/o")


def test_null_takes_a_setting_away():
    file = {"general": {"path": "g"}, "threads": 2}
    assert merged(file, nested({"general.path": None, **assignments(["general=null", "threads="])})) == {
        "general": None, "threads": None,
    }  # fmt: skip


@pytest.mark.parametrize("settings", [["distill=5", "distill.chunk=3"], ["a.b=1", "a.b.c.d=2"]])
def test_a_value_and_a_setting_inside_it_are_refused(settings):
    with pytest.raises(ConfigError, match="one of the two"):
        nested(assignments(settings))


@pytest.mark.parametrize("text", ["[1", "{", "a: b: c", "2024-13-45", "\x00"])
def test_an_assignment_that_is_no_yaml_is_refused(text):
    with pytest.raises(ConfigError) as error:
        assignments([f"a={text}"])
    assert error.value.found.startswith(f"--set a={text}")


def test_a_file_with_a_date_that_is_none_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("title: 2024-13-45\n")
    with pytest.raises(ConfigError, match=r"a\.yaml"):
        read_settings(tmp_path / "a.yaml")
