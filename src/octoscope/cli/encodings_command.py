"""`octoscope encodings`: from words and pixels to encodings, layer by layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from octoscope.capture.attend import attend
from octoscope.capture.encodings import encoding_points
from octoscope.cli.encodings_parts import PARTS, EncodingMaterial, write_parts
from octoscope.cli.opening import Given, open_policy_and_episodes
from octoscope.cli.selection import parse_selection
from octoscope.episodes.episode import Episode
from octoscope.errors import SelectionError, nearest
from octoscope.escaping.terminal import say
from octoscope.interventions.step_scene import SceneOptions
from octoscope.octo.device import Device
from octoscope.octo.model import OctoModel
from octoscope.pictures.encoding_results import POINTS, write_findings
from octoscope.runs.attention_selection import ALL
from octoscope.runs.encoding_point import matching_points
from octoscope.runs.run import Run
from octoscope.runs.staged_output import check_no_results, staged_output

_FOLDER = "encodings"
_IMAGE_POINTS = ("tokens.obs_*.projection", "tokens.obs_*.embedding")
_PLACES = 8


@dataclass(frozen=True)
class Encodings:
    """Show what the policy makes of its words and pictures, layer by layer.

    words: each word through T5 and the policy, which words merge, two instructions side by side (--beside). film: what FiLM does to the
    image encoder. image: what patches hold and how the transformer treats them. stem: what the convolutions in front see.

    Writes encodings/findings.md (what was found, with figures), a folder of pictures and tables for each part and, from a checkpoint, the
    runs behind them. Examples:

    octoscope encodings demo demo --beside "please lift up the green ball"

    octoscope encodings demo demo --parts image --camera wrist --step 5 --patch 2,3 --cover-patch

    octoscope attend demo demo --queries all --encodings "tokens.*" "blocks.*" -o output; octoscope encodings output/run.zarr
    """

    # A run that `octoscope attend --encodings` made, or a checkpoint: a folder, 'hf://owner/name', or 'demo'.
    source: Positional[str]
    # With a checkpoint: an RLDS dataset, or 'demo'.
    episodes: Positional[str | None] = None
    # Which episodes, from 0: the first is drawn, the others are compared with it: '0', '3,0:5', 'all'. Probes need five with masks.
    episode: str = "0"
    # With a run: further runs of the same policy, compared with it.
    more: tuple[Path, ...] = ()
    # Split of the dataset; 'train' where it exists.
    split: str | None = None
    # Steps that are captured, with a checkpoint: 'all', '4', '0,2,5', '0:10'.
    steps: str = "all"
    # The step that is drawn; the middle of those captured by default.
    step: int | None = None
    # Whose patches and convolutions are shown, 'wrist' say; the policy's first by default.
    camera: str | None = None
    # ROW,COLUMN of the patch at --step whose nearest patches and travel are drawn; by default where the named object is, else the middle.
    patch: str | None = None
    # With a checkpoint: also cover that patch in the picture, and draw how far each token moves beside what rollout says.
    cover_patch: bool = False
    # Words to use instead of the first episode's instruction.
    task: str | None = None
    # With a checkpoint, another instruction to compare; with a run, another run of the same episode.
    beside: str | None = None
    # With a run and --beside: the first run's episode under another --seed, which says what noise alone does to actions.
    other_noise: Path | None = None
    # From which cosine on two words count as merged.
    threshold: float = 0.9
    # Of 'words', 'film', 'image', 'stem'; all by default.
    parts: tuple[str, ...] = PARTS
    # Also remove every channel of the stem and show what the action does: a minute for the embedded policy.
    stem_effects: bool = False
    # Also compare the stem with other encoders: a minute for the embedded policy.
    compare_encoders: bool = False
    # Keep only the readouts' attention, in a small part of the space; attention distance and travel are then left out.
    lean: bool = False
    # How encodings are stored, with a checkpoint.
    precision: Literal["float32", "float16"] = "float32"
    # Recorded image of each camera, where it cannot be told: primary=image_0.
    cameras: tuple[str, ...] = ()
    # Recorded field of each other observation, where it cannot be told: proprio=state; proprio=none leaves it out.
    observation: tuple[str, ...] = ()
    # Timesteps of history; as many as in training by default.
    window: int | None = None
    # A picture of the goal, for the primary camera, or NAME=FILE per camera.
    goal_image: tuple[str, ...] = ()
    # Of the action head's noise.
    seed: int = 0
    # What the policy runs on; a GPU where there is one, by default.
    device: Device = "auto"
    # Compile anew at every start, instead of keeping compiled programs in the user's cache folder.
    no_compilation_cache: bool = False
    # Replace the results of an earlier call.
    overwrite: bool = False
    # Folder for the results.
    output: Annotated[Path, arg(aliases=["-o"])] = Path("output")

    def __call__(self) -> None:
        """Opens or makes the runs, writes every part, and prints what was found."""
        self._check()
        with staged_output(self.output, [_FOLDER], overwrite=self.overwrite) as staging:
            folder = staging / _FOLDER
            folder.mkdir()
            material = self._opened() if self.episodes is None else self._made(folder)
            made = write_parts(material, folder, self.parts)
            if made.show_nothing and not made.faults:
                raise SelectionError(
                    "Nothing could be shown. " + " ".join(f"{t}: {why}" for t, why in made.missing.items())
                )
            write_findings(folder, material.runs[0], made.findings)
        for part in made.findings:
            say(f"{part.title}:", *(f"  {sentence}" for sentence in part.sentences))
        say("", f"Findings and pictures: {self.output / _FOLDER / 'findings.md'}")
        note = material.runs[0].manifest["policy_note"]
        if note:
            say(note)
        if made.faults:
            raise made.faults[0]

    def _check(self) -> None:
        """Refuses what cannot be, before any work is done.

        Raises:
          SelectionError: If the threshold is no cosine, a part is not known, or something is asked that only a checkpoint can give.
          OutputError: If results lie there already.
        """
        if not -1.0 <= self.threshold <= 1.0:
            raise SelectionError(f"--threshold is a cosine, in -1..1, got {self.threshold}.")
        if not self.parts:
            raise SelectionError(f"--parts must name at least one of {', '.join(PARTS)}, got none.")
        if self.cover_patch and (self.episodes is None or self.lean or "image" not in self.parts):
            raise SelectionError(
                "--cover-patch runs the policy again, and is drawn below rollout: give a checkpoint and a dataset, and neither --lean nor "
                "--parts without 'image'."
            )
        _parse_patch(self.patch)
        for part in self.parts:
            if part not in PARTS:
                raise SelectionError(f"--parts must be of {', '.join(PARTS)}, got '{part}'.{nearest(part, PARTS)}")
        if not self.overwrite:
            check_no_results(self.output, [_FOLDER])

    def _opened(self) -> EncodingMaterial:
        if not Path(self.source).name.endswith(".zarr") and not Path(self.source).exists():
            raise SelectionError(
                f"{self.source} is no run. Give a run, or a checkpoint and a dataset: octoscope encodings demo demo."
            )
        runs = [Run.open(path) for path in (self.source, *self.more)]
        return EncodingMaterial(
            runs,
            None if self.beside is None else Run.open(self.beside),
            None if self.other_noise is None else Run.open(self.other_noise),
            self._step(runs[0].steps),
            self.threshold,
            camera=self.camera,
            patch=_parse_patch(self.patch),
        )

    def _made(self, folder: Path) -> EncodingMaterial:
        model, source = open_policy_and_episodes(
            self.source,
            self.episodes or "",
            split=self.split,
            cameras=self.cameras,
            device=self.device,
            compilation_cache=not self.no_compilation_cache,
        )
        chosen = parse_selection(self.episode, count=len(source), what="episode")
        episodes = [source[index] for index in chosen]
        # Before the first run, which may take long.
        step = self._step(self._steps(episodes[0]))
        runs = [
            self._run(model, episode, folder / f"run_{index}.zarr", self.task if place == 0 else None, whole=place == 0)
            for place, (index, episode) in enumerate(zip(chosen, episodes, strict=True))
        ]
        beside = other_noise = None
        if self.beside is not None:
            beside = self._run(model, episodes[0], folder / "run_beside.zarr", self.beside, whole=False)
            other_noise = attend(
                model,
                episodes[0],
                folder / "run_other_noise.zarr",
                steps=self._steps(episodes[0]),
                instruction=self.task,
                seed=(self.seed + 1) % 2**32,
            )
        return EncodingMaterial(
            runs,
            beside,
            other_noise,
            step,
            self.threshold,
            model,
            episodes,
            camera=self.camera,
            patch=_parse_patch(self.patch),
            cover=self.cover_patch,
            stem_places=_PLACES if self.stem_effects else 0,
            compare_encoders=self.compare_encoders,
        )

    def _run(self, model: OctoModel, episode: Episode, path: Path, instruction: str | None, *, whole: bool) -> Run:
        """Returns a run on disk: memory does not grow with the episode."""
        given = Given(observation=self.observation, window=self.window, task=instruction, goal_image=self.goal_image)
        options = given.options()
        return attend(
            model,
            episode,
            path,
            steps=self._steps(episode),
            query_groups=ALL if whole and not self.lean else None,
            seed=self.seed,
            dtype=self.precision,
            encodings=wanted_points(model, episode, options),
            progress=True,
            **vars(options),
        )

    def _steps(self, episode: Episode) -> list[int]:
        return sorted(parse_selection(self.steps, count=len(episode), what="step"))

    def _step(self, steps: Sequence[int]) -> int:
        if self.step is None:
            return steps[len(steps) // 2]
        if self.step not in steps:
            raise SelectionError(
                f"--step must be one that is captured, of {', '.join(map(str, steps))}; got {self.step}."
            )
        return self.step


def _parse_patch(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise SelectionError(f'--patch is a row and a column of the patch grid, from 0, as in 4,3; got "{text}".')
    return int(parts[0]), int(parts[1])


def wanted_points(model: OctoModel, episode: Episode, options: SceneOptions) -> Sequence[str]:
    """Returns the names of the points that the parts are made from, of those that the policy has for this episode."""
    inputs = options.scene(model, episode, 0).inputs
    points = encoding_points(model, inputs.observation, inputs.tasks)
    return [point.name for point in matching_points(points, (*POINTS, *_IMAGE_POINTS))]
