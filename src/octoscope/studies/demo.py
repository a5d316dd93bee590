"""The embedded policy on an embedded episode, with its own words or with others."""

from pathlib import Path

from tqdm import tqdm

from octoscope.embedded import files
from octoscope.episodes.episode import Episode
from octoscope.render.view import save_view
from octoscope.runs.staged_output import staged_output
from octoscope.studies.attend_episode import EpisodeJob
from octoscope.studies.opening import open_given, scene_options
from octoscope.studies.options.attend import AttendOptions
from octoscope.studies.options.demo import DemoOptions
from octoscope.studies.options.given import Given
from octoscope.studies.other_words import with_words
from octoscope.studies.selection import parse_selection
from octoscope.studies.telling import Tell, silent
from octoscope.views.comparison_sheet import comparison_sheet

_COMPARISON = "comparison"


def demo(options: DemoOptions, *, tell: Tell = silent, progress: bool = False) -> None:
    """Attends with the episode's words, and with other words if there are any.

    Args:
      options: Which episode and words, and where results go; those of an earlier demo there are replaced.
      tell: Takes where everything is.
      progress: Show progress bars.

    Raises:
      SelectionError: If there is no such episode.
    """
    asked = AttendOptions(
        "demo",
        "demo",
        (str(options.episode),),
        overwrite=True,
        scale=options.scale,
        figure_format=options.figure_format,
    )
    opened = open_given(Given(), asked.checkpoint, asked.episodes)
    source = opened.source
    episode = source[parse_selection(str(options.episode), count=len(source), what="episode")[0]]
    job = EpisodeJob(opened.model, asked, scene_options(Given()), tell, progress)
    if options.instruction is None:
        job.run(episode, options.output)
    else:
        _compare(job, episode, options.instruction, options.output)
    tell(f"Whether it matters, on one page: octoscope report demo demo -o {options.output}")
    tell(f"What this policy can do, and how far its maps can be trusted: {files.policy_directory() / 'README.md'}")


def _compare(job: EpisodeJob, episode: Episode, instruction: str, output: Path) -> None:
    """Runs the frames with both instructions, and draws each step and layer of both on one sheet."""
    asked, remark = with_words(episode, instruction)
    runs = [job.run(episode, output / "own_words"), job.run(asked, output / "other_words")]
    with staged_output(output, (_COMPARISON,), overwrite=True) as staged:
        (staged / _COMPARISON).mkdir()
        for step in tqdm(runs[0].steps, desc="compare", unit="step", disable=not job.progress):
            for layer in runs[0].layers:
                sheet = comparison_sheet(runs, step=step, layer=layer, scale=job.options.scale)
                save_view(sheet, staged / _COMPARISON / f"step_{step}_layer_{layer}.{job.options.figure_format}")
    job.tell("Both instructions on the same frames:", f"  {output / _COMPARISON}: one sheet per step and layer")
    job.tell(*([remark] if remark else []))
