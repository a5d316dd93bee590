"""The lower bounds of dependencies let octoscope stand beside LeRobot, whose upper bounds these are."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize(
    ("package", "version"),
    [("numpy", "2.2.6"), ("pillow", "12.2"), ("huggingface-hub", "1.0"), ("packaging", "25.0"), ("av", "15.1.0")],
)
def test_what_lerobot_brings_is_enough(package: str, version: str) -> None:
    extras = [line for name, lines in PROJECT["optional-dependencies"].items() if name != "dev" for line in lines]
    asked = [Requirement(line) for line in (*PROJECT["dependencies"], *extras)]
    assert all(version in requirement.specifier for requirement in asked if requirement.name == package)
