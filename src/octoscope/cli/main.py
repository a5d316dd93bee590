"""The command line's front door: picks the command, and turns what a user can mend into one sentence and exit code 2."""

import sys
from collections.abc import Sequence
from typing import Annotated

import tyro

from octoscope.cli.ablate_command import Ablate
from octoscope.cli.attend_command import Attend
from octoscope.cli.cnn_command import Cnn
from octoscope.cli.convert_command import Convert
from octoscope.cli.demo_command import Demo
from octoscope.cli.doctor_command import Doctor
from octoscope.cli.drop_tokens_command import DropTokens
from octoscope.cli.encodings_command import Encodings
from octoscope.cli.episodes_command import Episodes
from octoscope.cli.faithfulness_command import Faithfulness
from octoscope.cli.heads_command import Heads
from octoscope.cli.language_command import Language
from octoscope.cli.layout_command import Layout
from octoscope.cli.maps_command import Maps
from octoscope.cli.report_command import ReportCommand
from octoscope.cli.runs_command import Runs
from octoscope.cli.shares_command import Shares
from octoscope.cli.words_command import Words
from octoscope.errors import Interrupted, OctoscopeError
from octoscope.octo.device import keep_freed_memory

Command = (
    Annotated[Demo, tyro.conf.subcommand("demo")]
    | Annotated[Episodes, tyro.conf.subcommand("episodes")]
    | Annotated[Attend, tyro.conf.subcommand("attend")]
    | Annotated[Layout, tyro.conf.subcommand("layout")]
    | Annotated[Shares, tyro.conf.subcommand("shares")]
    | Annotated[Heads, tyro.conf.subcommand("heads")]
    | Annotated[Words, tyro.conf.subcommand("words")]
    | Annotated[Maps, tyro.conf.subcommand("maps")]
    | Annotated[Encodings, tyro.conf.subcommand("encodings")]
    | Annotated[Ablate, tyro.conf.subcommand("ablate")]
    | Annotated[Faithfulness, tyro.conf.subcommand("faithfulness")]
    | Annotated[DropTokens, tyro.conf.subcommand("drop-tokens")]
    | Annotated[Language, tyro.conf.subcommand("language")]
    | Annotated[ReportCommand, tyro.conf.subcommand("report")]
    | Annotated[Cnn, tyro.conf.subcommand("cnn")]
    | Annotated[Runs, tyro.conf.subcommand("runs")]
    | Annotated[Doctor, tyro.conf.subcommand("doctor")]
    | Annotated[Convert, tyro.conf.subcommand("convert")]
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command; exits with 2 on an error that the user can mend, with 130 when interrupted."""
    command = tyro.cli(
        Command,  # pyright: ignore[reportArgumentType]  # a union of classes is what tyro takes
        prog="octoscope",
        description="See what an Octo robot policy looks at, and test whether it matters.",
        args=arguments,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes, tyro.conf.FlagCreatePairsOff),
    )
    keep_freed_memory()
    try:
        command()
    except OctoscopeError as error:
        print(f"octoscope: {error}", file=sys.stderr)
        sys.exit(2)
    except Interrupted as error:
        print(f"octoscope: {error}", file=sys.stderr)
        sys.exit(130)
    except KeyboardInterrupt:
        print("octoscope: interrupted; nothing was left behind.", file=sys.stderr)
        sys.exit(130)
