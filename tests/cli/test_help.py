"""Help: what a newcomer reads, made from the same dataclasses that are parsed."""

import importlib.metadata
from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest
from tyro.conf import Positional

import octoscope as osc
from octoscope.cli.commands import COMMANDS, every_command
from octoscope.cli.groups import GROUPS
from octoscope.cli.help_text import command_help, top_help
from octoscope.cli.main import main
from octoscope.cli.option_fields import option_fields
from octoscope.studies.options.values import OneOf, Selected


def test_all_commands_fit_one_screen_a_line_each():
    lines = top_help(COMMANDS).split("\n")
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 110
    for name in COMMANDS:
        assert sum(line.startswith(f"  {name} ") for line in lines) == 1, name
    grouped = [name for group in GROUPS.values() for name in group]
    assert set(COMMANDS) <= set(grouped)
    assert len(grouped) == len(set(grouped))


def test_the_first_line_is_of_any_robot_policy(capsys):
    main(["--help"])
    assert "what a robot policy looks at" in capsys.readouterr().out


def test_version(capsys):
    main(["--version"])
    assert capsys.readouterr().out == f"octoscope {importlib.metadata.version('octoscope')}\n"
    assert osc.__version__ == importlib.metadata.version("octoscope")


def test_a_command_left_out_shows_what_there_is_and_is_no_success(capsys):
    for line, told in (([], "  attend "), (["cnn"], "  gradcam ")):
        with pytest.raises(SystemExit) as stop:
            main(line)
        assert stop.value.code == 2
        assert told in capsys.readouterr().out


@dataclass(frozen=True)
class Part:
    # Of the noise.
    seed: int = 0
    told: str = ""


@dataclass(frozen=True)
class Options:
    """Do it.

    Writes it
    down. Example:

    octoscope do demo --steps 3
    octoscope do demo
    """

    # What is read.
    source: Positional[str]
    # Which.
    steps: Annotated[str, Selected("step")] = "all"
    # How.
    how: Literal["well", "badly"] = "well"
    # By names;
    # two lines.
    methods: Annotated[tuple[str, ...], OneOf(("a long name", "another name", "third"))] = ("a long name", "third")
    # Whether.
    quick: bool = False
    part: Part = field(default_factory=Part)


def test_help_of_a_command(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = command_help(("do",), Options)
    assert text.startswith("usage: octoscope do SOURCE [options]\n\nDo it.\n\nWrites it down.\n\nWhat it takes\n")
    for line in (
        "  SOURCE                  What is read.",
        "  --steps STEPS           Which. [all]",
        "  --how well|badly        How. [well]",
        "  --quick                 Whether.",
        "  --seed N                Of the noise. [0]",
    ):
        assert line in text.split("\n")
    assert '["a long name" third]' in " ".join(text.split())
    assert "By names; two lines. Names: a long name, another name, third." in " ".join(text.split())
    assert text.endswith("Examples\n  octoscope do demo --steps 3\n  octoscope do demo")


def test_each_option_has_a_help_of_its_own():
    assert [each.help for each in option_fields(Part)] == ["Of the noise.", ""]
    for words, options in every_command().items():
        for each in option_fields(options):
            assert each.help, (words, each.name)
        texts = [each.help for each in option_fields(options)]
        assert len(texts) == len(set(texts)), words
