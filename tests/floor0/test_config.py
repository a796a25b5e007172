"""Settings: what a file may hold, what a flag changes, what is refused and how."""

import dataclasses

import pytest

from tokengraft.cli.options import assignments, nested
from tokengraft.config import RunConfig, as_mappings, merged, read_settings
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
        ({"model": "m", "corpus": "c", "tokens": 3}, "tokens. = 3"),
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
