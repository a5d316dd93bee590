"""`octoscope attend`: an episode through a policy, into pictures, a film and a run."""

from octoscope.cli.attend_episodes import AttendSettings, EpisodeJob, run_all
from octoscope.cli.attend_policies import PolicyJob, open_policys_episodes
from octoscope.embedded.files import EMBEDDED
from octoscope.errors import SelectionError, nearest
from octoscope.escaping.terminal import say
from octoscope.policies.lerobot_folder.folder_kind import folder_kind
from octoscope.policies.octo.device import keep_compiled_programs, use_device
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.open_policy import open_policy
from octoscope.render.film import CODECS
from octoscope.studies.opening import open_policy_and_episodes, read_goal_images
from octoscope.studies.options.attend import AttendOptions
from octoscope.studies.selection import parse_pairs, parse_selection


class Attend(AttendOptions):
    """`octoscope attend` at work."""

    def __call__(self) -> None:
        """Checks all that was asked for, then runs, draws, and says where everything is."""
        check_film(fps=self.fps, codec=self.codec)
        if self.resume and self.overwrite:
            raise SelectionError("--resume goes on with what is there, --overwrite begins anew: give one of them.")
        if self.take_over and not (self.resume or self.overwrite):
            raise SelectionError(
                "--take-over takes a run from a dead writer: give --resume to go on with it, or --overwrite."
            )
        if self.checkpoint not in EMBEDDED and (kind := folder_kind(self.checkpoint)) is not None:
            self._attend_other(kind)
            return
        opened = open_policy_and_episodes(
            self.checkpoint,
            self.episodes,
            split=self.split,
            cameras=self.cameras,
            device=self.device,
            compilation_cache=not self.no_compilation_cache,
            checkpoint_step=self.checkpoint_step,
            tell=say,
        )
        model, source = opened.model, opened.source
        chosen = self.chosen(len(source))
        one = EpisodeJob(model, self.settings(model))
        if ",".join(self.episode).removeprefix("-").isdecimal():
            one.run(source[chosen[0]], self.output)
        else:
            run_all(one, source, chosen, self.output)
        if model.note:
            say(model.note)

    def _attend_other(self, kind: str) -> None:
        """Attends with a policy of another family, which `open_policy` knows.

        Raises:
          CheckpointError: If no family is for policies of this kind.
        """
        use_device(self.device)
        if not self.no_compilation_cache:
            keep_compiled_programs()
        policy = open_policy(self.checkpoint)
        source = open_policys_episodes(policy, self)
        chosen, job = self.chosen(len(source)), PolicyJob(policy, self)
        if ",".join(self.episode).removeprefix("-").isdecimal():
            job.run(source[chosen[0]], self.output)
        else:
            run_all(job, source, chosen, self.output)

    def chosen(self, count: int) -> list[int]:
        """Returns which of `count` episodes were asked for.

        Raises:
          SelectionError: If one does not exist.
        """
        return parse_selection(",".join(self.episode), count=count, what="episode")

    def settings(self, model: OctoModel) -> AttendSettings:
        """Returns what is asked of every episode alike.

        Raises:
          SelectionError: If a layer or head does not exist.
          EpisodeError: If a goal image cannot be read.
        """
        return AttendSettings(
            steps=self.steps,
            layers=sorted(parse_selection(",".join(self.layers), count=model.num_layers, what="layer")),
            heads=parse_selection(self.heads, count=model.num_heads, what="head"),
            queries=self.queries,
            keys=self.keys or None,
            encodings=self.encodings,
            camera=self.camera,
            observation_keys=parse_pairs(self.observation, what="--observation", example="proprio=state"),
            window=self.window,
            query=self.query,
            instruction=self.task,
            goal_images=read_goal_images(self.goal_image, tell=say),
            seed=self.seed,
            fps=self.fps,
            codec=self.codec,
            gif=self.gif,
            picture_format=self.format,
            pictures=not self.no_pictures,
            dtype=self.precision,
            compute=self.compute,
            batch=self.batch,
            resume=self.resume,
            overwrite=self.overwrite,
            take_over=self.take_over,
        )


def check_film(*, fps: float, codec: str) -> None:
    """Refuses film settings before any work is done.

    Raises:
      SelectionError: If the codec is not known, or `fps` is out of range.
    """
    if codec not in CODECS:
        raise SelectionError(f"--codec must be one of {', '.join(CODECS)}, got '{codec}'." + nearest(codec, CODECS))
    if not 0.01 <= fps <= 240:
        raise SelectionError(f"--fps must be in 0.01..240, got {fps}.")
