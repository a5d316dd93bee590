"""What commands that run a policy over episodes begin with: the device, compiled programs, the policy, the dataset, what it is given."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from octoscope.cli.options.given import Given
from octoscope.cli.selection import parse_pairs
from octoscope.episodes.sources import EpisodeSource, open_episodes
from octoscope.errors import EpisodeError
from octoscope.interventions.step_scene import SceneOptions
from octoscope.octo.device import Device, keep_compiled_programs, use_device
from octoscope.octo.model import OctoModel


def open_given(given: Given, checkpoint: str, episodes: str) -> tuple[OctoModel, EpisodeSource]:
    """Returns the policy, on the device that was asked for, and the episodes.

    Raises:
      OctoscopeError: If the device, the checkpoint, the dataset or a camera is not there.
    """
    return open_policy_and_episodes(
        checkpoint,
        episodes,
        split=given.split,
        cameras=given.cameras,
        device=given.device,
        compilation_cache=not given.no_compilation_cache,
        checkpoint_step=given.checkpoint_step,
    )


def scene_options(given: Given) -> SceneOptions:
    """Returns what the policy is given besides what an episode records under the names it knows.

    Raises:
      SelectionError: If an observation is not named as NAME=FIELD.
      EpisodeError: If a goal image cannot be read.
    """
    return SceneOptions(
        instruction=given.task,
        goal_images=read_goal_images(given.goal_image),
        observation_keys=parse_pairs(given.observation, what="--observation", example="proprio=state"),
        window=given.window,
    )


def open_policy_and_episodes(
    checkpoint: str,
    episodes: str,
    *,
    split: str | None,
    cameras: tuple[str, ...],
    device: Device,
    compilation_cache: bool,
    checkpoint_step: int | None = None,
) -> tuple[OctoModel, EpisodeSource]:
    """Returns the policy, on the device that was asked for, and the episodes.

    Args:
      checkpoint: A folder, 'hf://owner/name', or an embedded policy's name.
      episodes: An RLDS dataset, or an embedded one's name.
      split: Of the dataset; 'train' where it exists, when None.
      cameras: As typed: 'primary=image_0'.
      device: What the policy runs on.
      compilation_cache: Whether compiled programs are kept in the user's cache folder.
      checkpoint_step: Training step of the parameters; the latest when None.

    Raises:
      OctoscopeError: If the device, the checkpoint, the dataset or a camera is not there.
    """
    use_device(device)
    if compilation_cache:
        keep_compiled_programs()
    model = OctoModel.load_pretrained(checkpoint, step=checkpoint_step)
    return model, open_episodes(episodes, split=split, cameras=parse_pairs(cameras, what="--cameras"))


def read_goal_images(goal_images: tuple[str, ...]) -> Mapping[str, np.ndarray] | None:
    """Returns the goal images by camera; a file without a name is the primary camera's.

    Raises:
      EpisodeError: If a file is missing or is no picture.
    """
    goals: dict[str, np.ndarray] = {}
    for entry in goal_images:
        named = re.fullmatch(r"(\w+)=(.+)", entry)
        camera, file = (named[1], named[2]) if named and not Path(entry).exists() else ("primary", entry)
        try:
            with Image.open(file) as image:
                goals[camera] = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        # Pillow raises SyntaxError and ValueError for some broken files.
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise EpisodeError(f"The goal image {file} cannot be read ({error}). Give a PNG or JPEG file.") from None
    return goals or None
