"""Help: one screen for all commands, and for a command its usage, its options by topic, and examples."""

import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from octoscope.cli.groups import GROUPS
from octoscope.cli.option_fields import OptionField, option_fields
from octoscope.studies.options.meaning import Topic

DESCRIPTION = "See what a robot policy looks at, and test whether it matters."
_MOST_COLUMNS = 120
_INDENT = 26
# What every command takes.
EVERYWHERE = {
    "--json": "Print what comes out as one JSON object, and nothing else.",
    "--quiet, -q": "Print nothing but errors.",
    "--verbose, -v": "Also say how long it took, and Python's own words for an error.",
    "--help, -h": "Print the help.",
}


def top_help(commands: Iterable[str]) -> str:
    """Returns a line for each command, by what they are for."""
    known = list(commands)
    lines = ["usage: octoscope COMMAND ...      octoscope COMMAND --help says more of one", "", DESCRIPTION]
    for title, group in GROUPS.items():
        lines += ["", title]
        lines += [f"  {name:13} {purpose.line}" for name, purpose in group.items() if name in known]
    lines += [
        "",
        "octoscope --version       Begin with: octoscope demo       Which question, which command: docs/commands.md",
    ]
    return "\n".join(lines)


def group_help(words: Sequence[str], group: type, inner: Mapping[str, type]) -> str:
    """Returns a line for each command of a group."""
    name = " ".join(words)
    lines = [
        f"usage: octoscope {name} COMMAND ...      octoscope {name} COMMAND --help says more of one",
        "",
        *split_docstring(group)[0],
        "",
    ]
    return "\n".join([*lines, *(_entry(word, _first_sentence(options)) for word, options in inner.items())])


def command_help(words: Sequence[str], options: type) -> str:
    """Returns all that is to know of a command."""
    fields = option_fields(options)
    about, examples = split_docstring(options)
    blocks = [usage(words, fields), *(fill(paragraph) for paragraph in about)]
    for topic in Topic:
        shown = [field for field in fields if field.topic is topic]
        if shown:
            blocks.append("\n".join([topic.value, *(_entry(_left(field), _right(field)) for field in shown)]))
    blocks.append("\n".join(["Every command", *(_entry(flag, text) for flag, text in EVERYWHERE.items())]))
    if examples:
        blocks.append("\n".join(["Examples", *(f"  {line}" for line in examples)]))
    return "\n\n".join(blocks)


def usage(words: Sequence[str], fields: Iterable[OptionField]) -> str:
    """Returns the usage line: 'usage: octoscope attend POLICY EPISODES [options]'."""
    places = [_place(field) for field in fields if field.positional]
    named = [f"{field.flag} {field.value}" for field in fields if field.required and not field.positional]
    return " ".join(["usage: octoscope", *words, *places, *named, "[options]"])


def split_docstring(options: type) -> tuple[list[str], list[str]]:
    """Returns the paragraphs that tell of a command, and the lines that are examples of it."""
    text = textwrap.dedent("    " + (options.__doc__ or "").strip())
    for mark in ("Examples:", "Example:"):
        if mark in text:
            told, _, shown = text.partition(mark)
            break
    else:
        told, shown = text, ""
    paragraphs = [" ".join(paragraph.split()) for paragraph in told.split("\n\n")]
    lines = [line.strip() for line in shown.split("\n")]
    return [paragraph for paragraph in paragraphs if paragraph], [line for line in lines if line]


def fill(text: str, *, indent: int = 0) -> str:
    """Returns text broken into lines that fit the terminal."""
    space = " " * indent
    return textwrap.fill(text, _columns(), initial_indent=space, subsequent_indent=space, break_on_hyphens=False)


def _columns() -> int:
    return max(60, min(shutil.get_terminal_size().columns, _MOST_COLUMNS))


def _first_sentence(options: type) -> str:
    return split_docstring(options)[0][0]


def _entry(left: str, right: str) -> str:
    told = fill(right, indent=_INDENT)
    if len(left) + 4 > _INDENT:
        return f"  {left}\n{told}"
    return f"  {left}".ljust(_INDENT) + told.lstrip()


def _left(field: OptionField) -> str:
    if field.positional:
        return field.value
    more = " ..." if field.takes_several else ""
    short = "-o, " if field.name == "output" else ""
    return f"{short}{field.flag} {field.value}{more}".rstrip()


def _right(field: OptionField) -> str:
    parts = [field.help]
    if field.choices and field.value != "|".join(field.choices):
        parts.append(f"Names: {', '.join(field.choices)}.")
    if field.shown_default:
        parts.append(f"[{field.shown_default}]")
    elif field.required and not field.positional:
        parts.append("Must be given.")
    return " ".join(parts)


def _place(field: OptionField) -> str:
    name = f"{field.value} ..." if field.takes_several else field.value
    return name if field.required else f"[{name}]"
