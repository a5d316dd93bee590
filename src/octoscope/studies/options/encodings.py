"""`octoscope encodings`: what can be typed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from octoscope.policies.device_names import Device
from octoscope.studies.options.values import (
    Between,
    Cameras,
    Fields,
    FigureFormat,
    Index,
    OneOf,
    Positive,
    Seed,
    Selected,
    Turn,
)

PARTS = ("words", "film", "image", "stem")
# What only a checkpoint can be asked.
_OF_NEW_RUNS = (
    *(
        "episode",
        "split",
        "steps",
        "cameras",
        "turn",
        "swap_red_blue",
        "observation",
        "window",
        "task",
        "goal_image",
        "seed",
        "device",
        "precision",
        "lean",
    ),
    *("no_compilation_cache", "cover_patch", "stem_effects", "compare_encoders"),
)


@dataclass(frozen=True)
class EncodingsOptions:
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
    episode: Annotated[str, Selected("episode")] = "0"
    # With a run: further runs of the same policy, compared with it.
    more: tuple[Path, ...] = ()
    # Split of the dataset; 'train' where it exists.
    split: str | None = None
    # Steps that are captured, with a checkpoint: 'all', '4', '0,2,5', '0:10'.
    steps: Annotated[str, Selected("step")] = "all"
    # The step that is drawn; the middle of those captured by default.
    step: Index | None = None
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
    threshold: Annotated[float, Between(-1, 1)] = 0.9
    # Of 'words', 'film', 'image', 'stem'; all by default.
    parts: Annotated[tuple[str, ...], OneOf(PARTS)] = PARTS
    # Also remove every channel of the stem and show what the action does: a minute for the embedded policy.
    stem_effects: bool = False
    # Also compare the stem with other encoders: a minute for the embedded policy.
    compare_encoders: bool = False
    # Keep only the readouts' attention, in a small part of the space; attention distance and travel are then left out.
    lean: bool = False
    # How encodings are stored, with a checkpoint.
    precision: Literal["float32", "float16"] = "float32"
    # Recorded image of each camera, where it cannot be told: primary=image_0.
    cameras: Cameras = ()
    # For frames stored upside down: 'flip' reverses rows, '180' rows and columns.
    turn: Turn = "none"
    # For frames stored with red and blue exchanged.
    swap_red_blue: bool = False
    # Recorded field of each other observation, where it cannot be told: proprio=state; proprio=none leaves it out.
    observation: Fields = ()
    # Timesteps of history; as many as in training by default.
    window: Positive | None = None
    # A picture of the goal, for the primary camera, or NAME=FILE per camera.
    goal_image: tuple[str, ...] = ()
    # Of the action head's noise.
    seed: Seed = 0
    # What the policy runs on; a GPU where there is one, by default.
    device: Device = "auto"
    # Compile anew at every start, instead of keeping compiled programs in the user's cache folder.
    no_compilation_cache: bool = False
    # Of the pictures: png, or svg or pdf with letters as letters and pictures embedded.
    figure_format: FigureFormat = "png"
    # Replace the results of an earlier call.
    overwrite: bool = False
    # Folder for the results.
    output: Annotated[Path, arg(aliases=["-o"])] = Path("output")

    def unused(self) -> dict[str, str]:
        """Returns the options that would change nothing beside the others, and why."""
        unused: dict[str, str] = {}
        if self.episodes is None:
            unused |= dict.fromkeys(
                _OF_NEW_RUNS, "a run is read as it was made; give a checkpoint and a dataset to make another."
            )
            if self.beside is None:
                unused["other_noise"] = "it is compared with what --beside does to the action."
        else:
            unused |= dict.fromkeys(("more", "other_noise"), "they are of runs, and the runs are made here.")
        if "image" not in self.parts:
            unused |= dict.fromkeys(("patch", "cover_patch"), "--parts is without image.")
        if not {"image", "stem"} & set(self.parts):
            unused["camera"] = "--parts is without image and stem."
        if "stem" not in self.parts:
            unused |= dict.fromkeys(("stem_effects", "compare_encoders"), "--parts is without stem.")
        if "words" not in self.parts:
            unused["threshold"] = "--parts is without words."
        if not {"words", "film"} & set(self.parts):
            unused["beside"] = "--parts is without words and film."
        return unused
