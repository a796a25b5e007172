"""Flags over a configuration: what they say, and what they cannot say."""

import pytest

from tokengraft.cli.options import assignments, nested
from tokengraft.errors import ConfigError


def test_flags_that_were_not_given_say_nothing():
    assert nested({"seed": None, "tokens.size": None, "out": None}) == {}


def test_flags_are_nested_by_their_dots():
    flags = {"tokens.size": 5, "tokens.method": "a", "seed": 0, "a.b.c": 1, "trust_remote_code": False}
    assert nested(flags) == {
        "tokens": {"size": 5, "method": "a"}, "seed": 0, "a": {"b": {"c": 1}}, "trust_remote_code": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("a=1", 1), ("a=1.5", 1.5), ("a=true", True), ("a=text", "text"), ("a=x=y", "x=y"), ("a=[b, c]", ["b", "c"]),
        (" a = 3", 3), ("a=''", ""), ("a=C:/x", "C:/x"),
    ],
)  # fmt: skip
def test_assignments_are_read_as_yaml(setting, value):
    assert assignments([setting]) == {"a": value}


def test_no_assignments():
    assert assignments(None) == assignments([]) == {}


@pytest.mark.parametrize("setting", ["distill.steps", "", "a=[1", "a={", "a=: : :"])
def test_assignments_that_cannot_be_read_are_refused(setting):
    with pytest.raises(ConfigError) as error:
        assignments([setting])
    assert f"--set {setting}" in error.value.found
    assert "\n" not in error.value.found


def test_the_last_of_two_assignments_counts():
    assert assignments(["a=1", "a=2"]) == {"a": 2}
