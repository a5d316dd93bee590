"""`octoscope demo`: the embedded policy on an embedded episode, with its own words or with others."""

from tqdm import tqdm

from octoscope.cli.attend_command import Attend
from octoscope.cli.attend_episodes import RUN, EpisodeJob
from octoscope.embedded import files
from octoscope.episodes.episode import Episode
from octoscope.episodes.sources import open_episodes
from octoscope.escaping.terminal import say
from octoscope.pictures.comparison_sheet import render_comparison_sheet
from octoscope.policies.octo.device import keep_compiled_programs
from octoscope.policies.octo.model import OctoModel
from octoscope.render.image_file import write_png
from octoscope.runs.run import Run
from octoscope.runs.staged_output import staged_output
from octoscope.studies.options.demo import DemoOptions
from octoscope.studies.other_words import with_words

_COMPARISON = "comparison"


class Demo(DemoOptions):
    """`octoscope demo` at work."""

    def __call__(self) -> None:
        """Attends with the episode's words, and with other words if there are any."""
        attend = Attend("demo", "demo", (str(self.episode),), overwrite=True)
        keep_compiled_programs()
        model = OctoModel.load_pretrained("demo")
        source = open_episodes("demo")
        episode = source[attend.chosen(len(source))[0]]
        job = EpisodeJob(model, attend.settings(model))
        if self.instruction is None:
            job.run(episode, self.output)
        else:
            self._compare(job, episode, self.instruction)
        say(f"Whether it matters, on one page: octoscope report demo demo -o {self.output}")
        say(f"What this policy can do, and how far its maps can be trusted: {files.policy_directory() / 'README.md'}")

    def _compare(self, job: EpisodeJob, episode: Episode, instruction: str) -> None:
        """Runs the frames with both instructions, and draws each step and layer of both on one sheet."""
        asked, remark = with_words(episode, instruction)
        folders = self.output / "own_words", self.output / "other_words"
        job.run(episode, folders[0])
        job.run(asked, folders[1])
        runs = [Run.open(folder / RUN) for folder in folders]
        with staged_output(self.output, (_COMPARISON,), overwrite=True) as staged:
            (staged / _COMPARISON).mkdir()
            for step in tqdm(runs[0].steps, desc="compare", unit="step"):
                for layer in runs[0].layers:
                    sheet = render_comparison_sheet(runs, step=step, layer=layer)
                    write_png(staged / _COMPARISON / f"step_{step}_layer_{layer}.png", sheet)
        say("Both instructions on the same frames:", f"  {self.output / _COMPARISON}: one sheet per step and layer")
        if remark:
            say(remark)
