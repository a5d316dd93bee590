"""`octoscope maps`: rollout, relevance, flow and value norms beside the raw attention of the readout."""

from octoscope.attention.sinks import sink_rule, sink_table
from octoscope.cli.opening import open_given, reading_remarks, scene_options
from octoscope.cli.options.maps import MapsOptions
from octoscope.cli.selection import parse_selection
from octoscope.escaping.markdown import markdown_words
from octoscope.escaping.terminal import say
from octoscope.faithfulness.action_target import ActionTarget
from octoscope.faithfulness.make_method_maps import method_maps
from octoscope.render.view import save_view
from octoscope.runs.column_table import CSV_ONLY, can_write_parquet
from octoscope.runs.staged_output import check_no_results, staged_output
from octoscope.views.method_sheet import method_maps_sheet

_FOLDER = "maps"


class Maps(MapsOptions):
    """`octoscope maps` at work."""

    def __call__(self) -> None:
        """Runs, and writes a sheet and a table for each step."""
        options = scene_options(self.given)
        if not self.overwrite:
            check_no_results(self.output, [_FOLDER])
        model, source = open_given(self.given, self.checkpoint, self.episodes)
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
                save_view(method_maps_sheet(one), folder / f"step_{one.step}.{self.figure_format}")
                one.columns().write(folder, f"step_{one.step}")
            sinks = f"{sink_rule(found[0].run)} Of {markdown_words(found[0].query.label)}.\n\n{sink_table(found[0].sinks)}\n"
            (folder / "sinks.md").write_text(sinks, encoding="utf-8")
        say(*reading_remarks(model, [episode], options))
        say(f"Maps of {found[0].query.label}, {len(found)} steps: {self.output / _FOLDER}")
        if not can_write_parquet():
            say(CSV_ONLY)
        if model.note:
            say(model.note)
