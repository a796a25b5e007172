"""The wheel and the sdist: what is in them, and that the wheel works where nothing of the checkout is seen."""

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(wheel, sdist), built by the build backend itself."""
    from hatchling.builders.sdist import SdistBuilder
    from hatchling.builders.wheel import WheelBuilder

    place = str(tmp_path_factory.mktemp("dist"))
    [wheel] = WheelBuilder(str(ROOT)).build(directory=place, versions=["standard"])
    [sdist] = SdistBuilder(str(ROOT)).build(directory=place, versions=["standard"])
    return Path(wheel), Path(sdist)


def test_the_wheel_holds_the_package_and_nothing_else(built):
    with zipfile.ZipFile(built[0]) as wheel:
        names = wheel.namelist()
    for wanted in (
        "py.typed", "bundled/model/model.safetensors", "exporting/templates/card.md.jinja", "recipes/quick.yaml",
        "reporting/templates/page.html.jinja",
    ):  # fmt: skip
        assert f"tokengraft/{wanted}" in names, wanted
    assert {name.split("/")[0] for name in names} == {"tokengraft", "tokengraft-0.1.0.dist-info"}
    assert not [name for name in names if "__pycache__" in name]


def test_the_sdist_holds_what_builds_tests_and_explains_it(built):
    with tarfile.open(built[1]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    for wanted in (
        "pyproject.toml", "README.md", "LICENSE", "CITATION.cff", "CHANGELOG.md", "constraints.txt", "llms.txt",
        "scripts/check", "scripts/site", "examples/vllm_ids.py", "docs/index.md", "tests/conftest.py",
        "src/tokengraft/py.typed",
    ):  # fmt: skip
        assert wanted in names, wanted
    assert not [name for name in names if name.startswith(("build/", ".venv", "runs/"))]


def test_the_wheel_works_away_from_the_checkout(built, tmp_path):
    """Unpacked as an installer does, with the dependencies of this environment: the program and the model are there."""
    with zipfile.ZipFile(built[0]) as wheel:
        wheel.extractall(tmp_path / "installed")  # noqa: S202 - made above
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed"), "HF_HUB_OFFLINE": "1"}
    for arguments, said in ((["--version"], "tokengraft 0.1.0"), (["recipes"], "kl-thesis"), (["--help"], "export")):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "tokengraft", *arguments], cwd=tmp_path, env=environment, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert said in done.stdout


def test_versions_agree():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.name)
def test_workflows_are_well_formed_and_call_what_is_there(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    commands = "\n".join(step.get("run", "") for step in steps)
    for word in commands.split():
        if word.startswith(("scripts/", "tests/")):
            assert (ROOT / word).exists(), word


def test_completion_for_each_shell():
    """`tokengraft --install-completion` writes what `generate_completion` gives; the commands are in it."""
    from tokengraft.cli import COMMANDS, app

    for shell in ("bash", "zsh", "fish"):
        script = app.generate_completion(shell=shell)
        assert all(name in script for name in COMMANDS), shell
