"""Episodes through a policy of any family, each into pictures, a film and a run."""

from octoscope.errors import SelectionError, nearest
from octoscope.render.film import CODECS
from octoscope.runs.run import Run
from octoscope.studies.attend_episode import EpisodeJob, run_all
from octoscope.studies.opening import given_of, open_given, scene_options
from octoscope.studies.options.attend import AttendOptions
from octoscope.studies.selection import parse_selection
from octoscope.studies.telling import Tell, silent


def attend_episodes(options: AttendOptions, *, tell: Tell = silent, progress: bool = False) -> tuple[Run, ...]:
    """Returns the run of each episode, after leaving it with its pictures.

    Args:
      options: Which episodes and steps, what is kept and drawn, and where results go.
      tell: Takes where everything is.
      progress: Show progress bars.

    Raises:
      OctoscopeError: If something that was asked for cannot be, or results lie there.
      Interrupted: After Ctrl-C, saying what was kept.
    """
    _check(options)
    given = given_of(options)
    opened = open_given(given, options.checkpoint, options.episodes, tell=tell)
    source = opened.source
    chosen = parse_selection(options.episode, count=len(source), what="episode")
    job = EpisodeJob(opened.model, options, scene_options(given, tell=tell), tell, progress)
    if options.episode.removeprefix("-").isdecimal():
        runs = [job.run(source[chosen[0]], options.output)]
    else:
        job.check_selections(source[chosen[0]])
        runs = run_all(job, source, chosen, options.output)
    tell(*([opened.note] if opened.note else []))
    return tuple(runs)


def _check(options: AttendOptions) -> None:
    """Refuses what cannot be, before anything is opened."""
    if options.codec not in CODECS:
        raise SelectionError(
            f"--codec must be one of {', '.join(CODECS)}, got '{options.codec}'." + nearest(options.codec, CODECS)
        )
    if not 0.01 <= options.fps <= 240:
        raise SelectionError(f"--fps must be in 0.01..240, got {options.fps}.")
    if options.resume and options.overwrite:
        raise SelectionError("--resume goes on with what is there, --overwrite begins anew: give one of them.")
    if options.take_over and not (options.resume or options.overwrite):
        raise SelectionError(
            "--take-over takes a run from a dead writer: give --resume to go on with it, or --overwrite."
        )
