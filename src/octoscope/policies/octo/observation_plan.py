"""What of a policy's observations an episode can give: cameras, numbers, and what stands in for what it lacks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octoscope.episodes.episode import Episode
from octoscope.errors import EpisodeError, SelectionError, nearest
from octoscope.policies.numbers import NONE, Numbers
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.tokenizers import ImageTokenizer
from octoscope.policies.octo.numbers import find_numbers
from octoscope.policies.octo.observation_keys import keys_read, unread_images
from octoscope.policies.octo.octo_inputs import observation_names
from octoscope.tokens.token_source import camera_of


@dataclass(frozen=True)
class ObservationPlan:
    """Each observation of the policy: given, black, or left out."""

    # Observation key by camera, for the cameras that the episode has.
    cameras: Mapping[str, str]
    # Keys of images that the episode lacks but a tokenizer cannot do without: black and marked as missing, as in training.
    black: tuple[str, ...]
    numbers: Mapping[str, Numbers]
    # Tokenizers that are given nothing; their tokens vanish from the sequence.
    left_out: tuple[str, ...]
    # Cameras that the episode has and the policy was trained beside, but no tokenizer reads: they are not given.
    unread: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns what each observation was made from, for a run's manifest."""
        images = {key: {"from": camera, "normalization": "0..255"} for camera, key in self.cameras.items()}
        black = {key: {"from": None, "normalization": "black, and marked as missing"} for key in self.black}
        numbers = {key: found.to_json() for key, found in self.numbers.items()}
        # Only where there are such, so that other manifests are what they were.
        unread = {"unread": list(self.unread)} if self.unread else {}
        return {"given": images | black | numbers, "left_out": list(self.left_out), **unread}

    def remarks(self) -> list[str]:
        """Returns what must be said of cameras that the episode has and the policy does not look through."""
        if not self.unread:
            return []
        looked = f"it looks through {', '.join(self.cameras)}" if self.cameras else "it looks through no camera"
        return [f"Not given to the policy: {', '.join(self.unread)}, which no tokenizer of it reads ({looked})."]


def plan_observations(
    model: OctoModel, episode: Episode, *, observation_keys: Mapping[str, str] | None = None
) -> ObservationPlan:
    """Returns what the episode gives the policy.

    A tokenizer none of whose inputs are recorded is left out, as the policy was trained to bear. One that stacks several cameras,
    some of them missing, gets black images for those, marked in `pad_mask_dict`.

    Args:
      model: The policy.
      episode: The recording.
      observation_keys: Recorded field by observation key, {"proprio": "state"}; "none" leaves a key out.

    Raises:
      EpisodeError: If policy and episode share no camera, images are not RGB of 0..255, or a tokenizer can do neither with nor
        without what is recorded.
      SelectionError: If the policy reads no such observation.
    """
    chosen = dict(observation_keys or {})
    tokenizers = model.module.octo_transformer.observation_tokenizers
    reads = keys_read(tokenizers, observation_names(model))
    _check_chosen(chosen, reads, model)
    unread = unread_images(tokenizers, list(model.image_sizes))
    looked = {camera_of(key): key for key in model.image_sizes if key not in unread}
    cameras = {camera: key for camera, key in looked.items() if camera in episode.images}
    blind = tuple(camera_of(key) for key in unread if camera_of(key) in episode.images)
    _check_cameras(list(looked), blind, cameras, episode)
    for camera in cameras:
        _check_images(episode, camera)
    wanted = dict.fromkeys(key for keys in reads.values() for key in keys if key not in model.image_sizes)
    numbers: dict[str, Numbers] = {}
    for key in wanted:
        if chosen.get(key) != NONE and not key.startswith("depth_"):
            found = find_numbers(model, episode, key, chosen=chosen.get(key))
            numbers |= {} if found is None else {key: found}
    given = {*cameras.values(), *numbers}
    black: list[str] = []
    left_out: list[str] = []
    for name, keys in reads.items():
        missing = [key for key in keys if key not in given]
        tokenizer = tokenizers[name]
        if not missing:
            continue
        if len(missing) == len(keys) and tokenizer.proper_pad_mask:
            left_out.append(name)
        elif isinstance(tokenizer, ImageTokenizer):
            black += missing
        else:
            raise EpisodeError(_cannot_do_without(name, missing, keys, episode))
    return ObservationPlan(cameras, tuple(dict.fromkeys(black)), numbers, tuple(left_out), blind)


def _check_chosen(chosen: Mapping[str, str], reads: Mapping[str, list[str]], model: OctoModel) -> None:
    numbers = sorted({key for keys in reads.values() for key in keys if key not in model.image_sizes})
    for key in chosen:
        if key in model.image_sizes:
            raise SelectionError(
                f"'{key}' is an image: choose its recording with --cameras {camera_of(key)}={chosen[key]}."
            )
        if key not in numbers:
            raise SelectionError(
                f"The policy reads no observation '{key}'.{nearest(key, numbers)} Besides images it reads: "
                f"{', '.join(numbers) or 'nothing'}."
            )


def _check_cameras(looked: Sequence[str], unread: Sequence[str], cameras: Mapping[str, str], episode: Episode) -> None:
    if looked and not cameras:
        blind = f" ({', '.join(unread)}: read by no tokenizer of the policy)" if unread else ""
        raise EpisodeError(
            f"The policy looks through {', '.join(looked)}, but the episode has "
            f"{', '.join(episode.images) or 'no images'}{blind}. Name the recorded image of a camera with --cameras primary=IMAGE_KEY."
        )


def _check_images(episode: Episode, camera: str) -> None:
    images = episode.images[camera]
    if images.dtype == np.uint8 and images.ndim == 4 and images.shape[-1] == 3:
        return
    told = f"The images of '{camera}' of {episode.name} must be RGB, uint8 (time, height, width, 3), got {images.dtype} {images.shape}"
    if images.dtype.kind == "f":
        broken = [time for time, image in enumerate(images) if not np.isfinite(image).all()]
        told += f"; at step {broken[0]} they are not finite" if broken else ""
    raise EpisodeError(f"{told}. Bring them to 0..255 first.")


def _cannot_do_without(name: str, missing: list[str], keys: list[str], episode: Episode) -> str:
    return (
        f"The policy's tokenizer '{name}' reads {', '.join(keys)} together and cannot do without {', '.join(missing)}, which "
        f"{episode.name} does not record under that name. Name its field with --observation {missing[0]}=FIELD. "
        f"Recorded: {', '.join(episode.extras) or 'no numbers'}."
    )
