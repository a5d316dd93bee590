"""`octoscope maps`: rollout, relevance, flow and value norms beside the raw attention of the readout."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from octoscope.attention.sinks import sink_rule, sink_table
from octoscope.cli.opening import Given, reading_remarks
from octoscope.cli.selection import parse_selection
from octoscope.escaping.markdown import markdown_words
from octoscope.escaping.terminal import say
from octoscope.faithfulness.action_target import ActionTarget
from octoscope.faithfulness.make_method_maps import DEFAULT_MAPS, method_maps
from octoscope.pictures.method_sheet import render_method_maps
from octoscope.render.image_file import write_png
from octoscope.runs.column_table import CSV_ONLY, can_write_parquet
from octoscope.runs.staged_output import check_no_results, staged_output

_FOLDER = "maps"


@dataclass(frozen=True)
class Maps:
    """Draw maps through the layers beside raw attention: rollout, relevance, flow, value norms; sinks marked.

    Writes maps/step_S.png (a row for each frame of the window, a column and a scale for each method), step_S.csv and .parquet, and
    sinks.md, with the length of what each sink moves. All are of the first readout. It needs the policy, since a run holds neither
    gradients nor values. Example:

    octoscope maps hf://rail-berkeley/octo-small-1.5 data/bridge_dataset --step 0,4 --methods "last layer" rollout relevance flow
    """

    # A folder, 'hf://owner/name', or 'demo'.
    checkpoint: Positional[str]
    # An RLDS dataset, or 'demo'.
    episodes: Positional[str]
    # Which episode, from 0.
    episode: int = 0
    # Steps: '4', '0,2,5', '0:10', 'all'.
    step: str = "0"
    # "last layer", "mean of heads", value-weighted, rollout, relevance, and the slow one: flow.
    methods: tuple[str, ...] = DEFAULT_MAPS
    # Dimension of the action that relevance is of; all by default, along the action.
    dimension: int | None = None
    # Step of the horizon that relevance is of; all by default.
    horizon_step: int | None = None
    # Share of a token that bypasses attention in rollout and flow, 0 to 1.
    residual_weight: float = 0.5
    # Of the noise.
    seed: int = 0
    # What the policy is opened with.
    given: Given = field(default_factory=Given)
    # Replace the results of an earlier call.
    overwrite: bool = False
    # Folder for the results.
    output: Annotated[Path, arg(aliases=["-o"])] = Path("output")

    def __call__(self) -> None:
        """Runs, and writes a sheet and a table for each step."""
        options = self.given.options()
        if not self.overwrite:
            check_no_results(self.output, [_FOLDER])
        model, source = self.given.open(self.checkpoint, self.episodes)
        episode = source[parse_selection(str(self.episode), count=len(source), what="episode")[0]]
        steps = parse_selection(self.step, count=len(episode), what="step")
        found = method_maps(
            model,
            episode,
            steps,
            methods=self.methods,
            target=ActionTarget(self.dimension, self.horizon_step),
            residual_weight=self.residual_weight,
            options=options,
            seed=self.seed,
            progress=True,
        )
        with staged_output(self.output, [_FOLDER], overwrite=self.overwrite) as staging:
            folder = staging / _FOLDER
            folder.mkdir()
            for one in found:
                write_png(folder / f"step_{one.step}.png", render_method_maps(one))
                one.columns().write(folder, f"step_{one.step}")
            sinks = f"{sink_rule(found[0].run)} Of {markdown_words(found[0].query.label)}.\n\n{sink_table(found[0].sinks)}\n"
            (folder / "sinks.md").write_text(sinks, encoding="utf-8")
        say(*reading_remarks(model, [episode], options))
        say(f"Maps of {found[0].query.label}, {len(found)} steps: {self.output / _FOLDER}")
        if not can_write_parquet():
            say(CSV_ONLY)
        if model.note:
            say(model.note)
