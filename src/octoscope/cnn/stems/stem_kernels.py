"""The kernels of an encoder's first convolution as colour pictures: one for the camera's picture, one apart from it for the goal's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octoscope.array_typing import Float, UInt8
from octoscope.cnn.networks.policy_network import policy_network
from octoscope.errors import SelectionError
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.stems import standardize_kernel
from octoscope.policies.octo.network.tokenizers import matching_keys
from octoscope.render.picture_sheet import PictureRow, PictureTile, render_picture_sheet

_COLOURS = 3
_NOTE = (
    "Each tile is one kernel as a colour picture, first row at the top: middle grey is 0, a colour above grey is sought, one below grey "
    "is avoided, on the one scale named above for all tiles. A number below a tile is its picture's share of the kernel's squared "
    "weights. Standardised kernels are what the convolution multiplies by: mean 0 and deviation 1 over all that they read, so that only "
    "differences between places or colours count; what their size was in training is gone. A kernel is no more than the first step: "
    "norms and layers behind it decide what is made of it."
)


@dataclass(frozen=True, eq=False)
class StemKernels:
    """The first convolution's kernels, cut into the pictures that it reads."""

    policy: str
    note: str
    camera: str
    layer: str
    # Whether they are as stored in the checkpoint rather than as the convolution uses them.
    raw: bool
    # "image_primary", "goal image_primary", in the order in which they are stacked.
    pictures: tuple[str, ...]
    kernels: Float[np.ndarray, "down across picture colour filter"]

    @property
    def shares(self) -> Float[np.ndarray, "picture filter"]:
        """Each picture's part of a kernel's squared weights: 1 / pictures where all count alike."""
        squares = (self.kernels.astype(np.float64) ** 2).sum(axis=(0, 1, 3))
        return squares / np.maximum(squares.sum(axis=0), 1e-300)


def stem_kernels(model: OctoModel, camera: str | None = None, *, raw: bool = False) -> StemKernels:
    """Returns the kernels of the first convolution of a policy's image encoder.

    Args:
      model: The policy.
      camera: Name of the image tokenizer; the first by default.
      raw: As stored. By default as the convolution uses them: standardised where it does that.

    Raises:
      SelectionError: If there is no such image tokenizer.

    >>> result = stem_kernels(OctoModel.load_pretrained("demo"), "primary")
    >>> result.layer, result.pictures, result.kernels.shape
    ('StdConv_0', ('image_primary',), (3, 3, 1, 3, 32))
    """
    network = policy_network(model, camera)
    name = camera or network.name.removeprefix(f"{model.name} ")
    layer = next(each.name for each in network.layers if each.kind == "conv")
    tokenizer: Any = model.module.octo_transformer.observation_tokenizers[name]
    tokenizer_params = model.params["octo_transformer"][f"observation_tokenizers_{name}"]
    stored: Mapping[str, Any] = tokenizer_params[f"{type(tokenizer.encoder()).__name__}_0"][layer]
    # A patch embedding is a plain convolution: nothing is standardised.
    plain = raw or layer == "embedding"
    kernel = np.asarray(stored["kernel"] if plain else standardize_kernel(stored["kernel"]), np.float32)
    observation, task = model.example_batch["observation"], model.example_batch["task"]
    now = matching_keys(observation, tokenizer.obs_stack_keys)
    goals = sorted(
        {*matching_keys(observation, tokenizer.task_stack_keys), *matching_keys(task, tokenizer.task_stack_keys)}
    )
    pictures = (*now, *(f"goal {key}" for key in goals))
    down, across, _, filters = kernel.shape
    cut = kernel.reshape(down, across, len(pictures), _COLOURS, filters)
    return StemKernels(model.name, model.note, name, layer, raw, pictures, cut)


def render_stem_kernels(
    stem: StemKernels, filters: Sequence[int] | None = None, *, tile_size: int = 72
) -> UInt8[np.ndarray, "height width 3"]:
    """Returns a sheet: a row of colour kernels for each picture that is read, all on one symmetric scale.

    Args:
      stem: From `stem_kernels`.
      filters: Which, in this order; all by default.
      tile_size: Pixels of a tile.

    Raises:
      SelectionError: If there is no such filter.

    >>> render_stem_kernels(stem_kernels(OctoModel.load_pretrained("demo"), "primary"), [0, 1]).shape[2]
    3
    """
    count = stem.kernels.shape[-1]
    chosen = list(range(count)) if filters is None else list(filters)
    for number in chosen:
        if not 0 <= number < count:
            raise SelectionError(f"`filter` must be in 0..{count - 1} at layer {stem.layer}, got {number}.")
    top = float(np.abs(stem.kernels[..., chosen]).max()) or 1.0
    colours = np.floor(128 + 127 * stem.kernels / top).clip(0, 255).astype(np.uint8)
    rows = [
        PictureRow(
            picture,
            [
                PictureTile(f"{number}", colours[:, :, place, :, number], _share(stem, place, number))
                for number in chosen
            ],
        )
        for place, picture in enumerate(stem.pictures)
    ]
    kind = "as stored" if stem.raw or stem.layer == "embedding" else "standardised, as the convolution uses them"
    lines = [
        f"{len(chosen)} of {count} filters, {stem.kernels.shape[0]} x {stem.kernels.shape[1]}, {kind}. "
        f"One scale: -{top:.3g} to +{top:.3g}, grey 0."
    ]
    lines += [f"{stem.policy}: {stem.note}"] if stem.note else []
    title = f"First kernels: {stem.policy} {stem.camera}, {stem.layer}"
    return render_picture_sheet(rows, title=title, subtitle=lines, tile_size=tile_size, footnote=_NOTE)


def _share(stem: StemKernels, place: int, number: int) -> str:
    return f"{stem.shares[place, number]:.0%}" if len(stem.pictures) > 1 else ""
