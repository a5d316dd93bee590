"""`octoscope episodes`: what episodes a dataset has, a page at a time, with thumbnails."""

from collections.abc import Callable, Sequence

from octoscope.episodes.episode import Episode
from octoscope.episodes.episode_source import EpisodeSource
from octoscope.episodes.listing import EpisodeEntry, list_episodes
from octoscope.episodes.sources import open_episodes
from octoscope.errors import OctoscopeError
from octoscope.escaping.terminal import say
from octoscope.policies.bind import bind
from octoscope.policies.episode_plan import BindOptions
from octoscope.policies.octo.model import OctoModel
from octoscope.render.view import save_view
from octoscope.runs.staged_output import staged_output
from octoscope.studies.options.episodes import EpisodesOptions
from octoscope.studies.options.names import figure_files
from octoscope.studies.selection import parse_pairs
from octoscope.views.episode_sheet import episode_sheet

_PICTURE = "episodes"


class Episodes(EpisodesOptions):
    """`octoscope episodes` at work."""

    def __call__(self) -> None:
        """Prints the page and draws its sheet."""
        source = open_episodes(
            self.episodes,
            split=self.split,
            cameras=parse_pairs(self.cameras, what="--cameras"),
            task=self.task,
            turn=self.turn,
            swap_red_blue=self.swap_red_blue,
        )
        problem_of = (lambda episode: "") if self.policy is None else _why_it_cannot_run(self.policy, self.task)
        entries = list_episodes(
            source, page=self.page, per_page=self.per_page, thumbnails=not self.no_pictures, problem_of=problem_of
        )
        say(*episode_table(source, entries))
        pages = -(-len(source) // self.per_page)
        if pages > 1:
            say(f"Page {self.page} of {pages}.")
        if any(entry.thumbnails for entry in entries):
            picture = f"{_PICTURE}.{self.figure_format}"
            with staged_output(self.output, figure_files(_PICTURE), overwrite=self.overwrite) as folder:
                title = (
                    f"{source.name}/{source.split}, episodes {entries[0].index} to {entries[-1].index} of {len(source)}"
                )
                save_view(episode_sheet(entries, title=title), folder / picture)
            say(f"First frames: {self.output / picture}")


def episode_table(source: EpisodeSource, entries: Sequence[EpisodeEntry]) -> list[str]:
    """Returns what holds for the dataset, a line for each episode, and each remark once."""
    chosen = ", ".join(f"{camera}={key}" for camera, key in source.cameras.items())
    others = [split for split in source.splits if split != source.split]
    beside = f" (other splits: {', '.join(others)})" if others else ""
    lines = [f"{source.name}/{source.split}: {len(source)} episodes{beside}; cameras {chosen}"]
    lines.append(f"{'episode':>7}  {'steps':>5}  {'height x width':<34}  words")
    for entry in entries:
        sizes = ", ".join(f"{camera} {height}x{width}" for camera, (height, width) in entry.sizes.items())
        words = f'"{entry.instruction}"' if entry.instruction else "none"
        lines.append(
            f"{entry.index:>7}  {entry.steps:>5}  {sizes:<34}  {words}" if entry.steps else f"{entry.index:>7}"
        )
        lines += [f"{'':>9}cannot be used: {entry.problem}"] if entry.problem else []
    lines += dict.fromkeys(remark for entry in entries for remark in entry.remarks)
    return lines


def _why_it_cannot_run(policy: str, task: str | None) -> Callable[[Episode], str]:
    model = OctoModel.load_pretrained(policy)

    def problem_of(episode: Episode) -> str:
        try:
            bind(model, episode, BindOptions(task))
        except OctoscopeError as error:
            return str(error)
        return ""

    return problem_of
