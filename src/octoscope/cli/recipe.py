"""recipe.toml beside results: the commands that made them with every option, and how they are typed again."""

import dataclasses
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from octoscope.cli.option_fields import OptionField, option_fields
from octoscope.errors import OutputError, SelectionError

RECIPE = "recipe.toml"
_HEAD = f"# What made the results here, the last call of each command. Again: octoscope repeat {RECIPE}\n"
# One command leaves several results side by side where these differ.
_APART = ("by",)


def write_recipe(words: Sequence[str], options: Any, folder: Path) -> None:
    """Notes a call in the recipe of a folder of results, in the place of an earlier one of the same command.

    Raises:
      OutputError: If it cannot be written.
    """
    # Not above: only who writes one needs them.
    from importlib.metadata import version

    from octoscope.runs.durable_file import write_durably

    file = folder / RECIPE
    command = " ".join(words)
    call = {"command": command, "octoscope": version("octoscope"), "options": _values(options)}
    try:
        others = [each for each in _read(file) if not _same_results(each, call)] if file.exists() else []
    except SelectionError:
        # Somebody else's, or damaged: results matter more than how others were made.
        others = []
    text = _HEAD + "".join(_as_toml(each) for each in (*others, call))
    try:
        write_durably(file, text.encode())
    except OSError as error:
        raise OutputError(f"{file} cannot be written ({error.strerror or error}); the results are whole.") from error


def repeated_lines(file: Path, commands: Mapping[tuple[str, ...], type]) -> list[list[str]]:
    """Returns what was typed for each call of a recipe, options that have their defaults left out.

    Args:
      file: The recipe, or the folder that it lies in.
      commands: What can be typed, by the words of each command.

    Raises:
      SelectionError: If there is no recipe, or it names a command or an option that is not there.
    """
    file = file / RECIPE if file.is_dir() else file
    return [_line(call, commands, file) for call in _read(file)]


def _line(call: Mapping[str, Any], commands: Mapping[tuple[str, ...], type], file: Path) -> list[str]:
    words = tuple(str(call["command"]).split())
    if words not in commands:
        raise SelectionError(f"{file} has a call of '{' '.join(words)}', and there is no such command.")
    fields, values = option_fields(commands[words]), dict(call["options"])
    places: list[str] = []
    named: list[str] = []
    for field in fields:
        value = values.pop(field.name, None)
        if field.positional:
            places += [] if value is None else [str(each) for each in (value if isinstance(value, list) else [value])]
        elif value is not None and value != _plain(field.default):
            named += _typed(field, value)
    if values:
        raise SelectionError(
            f"{file} was written by octoscope {call.get('octoscope', '?')}: '{' '.join(words)}' has no option {next(iter(values))} now."
        )
    return [*words, *places, *named]


def _typed(field: OptionField, value: Any) -> list[str]:
    if isinstance(value, list):
        return [field.flag, *map(str, value)]
    if value is True and field.default is False:
        return [field.flag]
    return [f"{field.flag}={value}"]


def _values(options: Any) -> dict[str, Any]:
    """Returns every option by name, those of parts too; what is None is left out."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if dataclasses.is_dataclass(value):
            values |= _values(value)
        elif value is not None:
            values[field.name] = _plain(value)
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value


def _same_results(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.get("command") == other["command"] and all(
        one.get("options", {}).get(name) == other["options"].get(name) for name in _APART
    )


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        calls = tomllib.loads(file.read_text(encoding="utf-8")).get("call")
    except FileNotFoundError:
        raise SelectionError(f"There is no recipe {file}. Commands leave a {RECIPE} beside their results.") from None
    except (ValueError, RecursionError) as error:
        raise SelectionError(f"{file} cannot be read as a recipe ({str(error).splitlines()[0]}).") from None
    if not isinstance(calls, list) or not all(
        isinstance(call, dict) and isinstance(call.get("command"), str) and isinstance(call.get("options"), dict)
        for call in calls
    ):
        raise SelectionError(f"{file} is no recipe: it has no [[call]] with a command and options.")
    return calls


def _as_toml(call: Mapping[str, Any]) -> str:
    lines = ["", "[[call]]", *(f"{name} = {_toml(value)}" for name, value in call.items() if name != "options")]
    lines += ["", "[call.options]", *(f"{name} = {_toml(value)}" for name, value in call["options"].items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    # JSON's texts, numbers and truth are TOML's too; DEL alone has to be escaped besides.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
