"""The parameters of a Diffusion Policy: names and shapes as LeRobot saves them, and the nested dicts that the network takes.

Names lose "diffusion."; the backbone's parts get torchvision's names. Kernels become (..., in, out).
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from octoscope.policies.act.backbone import backbone_shapes, backbone_width
from octoscope.policies.diffusion.config import DiffusionConfig
from octoscope.policies.parts.params_tree import PREFIX, load_params

# What torchvision calls the parts of the backbone that LeRobot numbers.
_PARTS = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
_BACKBONE = re.compile(r"(rgb_encoder(?:\.\d+)?\.backbone)\.(\d+)\.")
Shapes = dict[str, tuple[int, ...]]


def load_diffusion_params(weights: Mapping[str, np.ndarray], config: DiffusionConfig, *, source: str) -> dict[str, Any]:
    """Returns the parameters of a file; see `load_params`."""
    return load_params(
        {PREFIX + _own_name(name): array for name, array in weights.items()},
        diffusion_shapes(config),
        # Coordinates of the map's cells, and counts of training.
        idle=lambda name: name.endswith(("pos_grid", "num_batches_tracked")),
        policy="Diffusion Policy",
        source=source,
        arrange=_kernel_last_axes,
    )


def _own_name(name: str) -> str:
    name = name.removeprefix("diffusion.")
    return _BACKBONE.sub(lambda match: f"{match[1]}.{_PARTS.get(match[2], match[2])}.", name)


def _kernel_last_axes(array: np.ndarray) -> np.ndarray:
    return np.moveaxis(array, (1, 0), (-2, -1)) if array.ndim > 2 else array


def diffusion_shapes(config: DiffusionConfig) -> Shapes:
    """Returns the shape of every parameter that acts, by its name here."""
    shapes: Shapes = {}
    encoders = [f"rgb_encoder.{at}" for at in range(len(config.cameras))] if config.separate else ["rgb_encoder"]
    for encoder in encoders if config.cameras else ():
        shapes |= {f"{encoder}.backbone.{name}": shape for name, shape in _backbone(config).items()}
        shapes[f"{encoder}.pool.nets.weight"] = (config.keypoints, backbone_width(config.backbone), 1, 1)
        shapes[f"{encoder}.pool.nets.bias"] = (config.keypoints,)
        shapes |= _linear(f"{encoder}.out", 2 * config.keypoints, 2 * config.keypoints)
    shapes |= _linear("unet.diffusion_step_encoder.1", config.time_dim, 4 * config.time_dim)
    shapes |= _linear("unet.diffusion_step_encoder.3", 4 * config.time_dim, config.time_dim)
    widths, last = config.widths, len(config.widths) - 1
    for at, (into, out) in enumerate(zip((config.action_dim, *widths), widths, strict=False)):
        shapes |= _block(f"unet.down_modules.{at}.0", into, out, config)
        shapes |= _block(f"unet.down_modules.{at}.1", out, out, config)
        if at < last:
            shapes |= _conv(f"unet.down_modules.{at}.2", out, out, 3)
    for at in (0, 1):
        shapes |= _block(f"unet.mid_modules.{at}", widths[-1], widths[-1], config)
    for at, (out, into) in enumerate(zip(widths[-2::-1], widths[:0:-1], strict=True)):
        # LeRobot counts these against one stage more than there are, so that each of them widens time.
        shapes |= _block(f"unet.up_modules.{at}.0", 2 * into, out, config)
        shapes |= _block(f"unet.up_modules.{at}.1", out, out, config)
        shapes |= {f"unet.up_modules.{at}.2.weight": (out, out, 4), f"unet.up_modules.{at}.2.bias": (out,)}
    shapes |= _conv_block("unet.final_conv.0", widths[0], widths[0], config.kernel)
    return shapes | _conv("unet.final_conv.1", widths[0], config.action_dim, 1)


def _backbone(config: DiffusionConfig) -> Shapes:
    return {
        name: shape
        for name, shape in backbone_shapes(config.backbone).items()
        if not (config.group_norm and name.endswith(("running_mean", "running_var")))
    }


def _block(name: str, into: int, out: int, config: DiffusionConfig) -> Shapes:
    condition = config.time_dim + config.steps * config.condition_dim
    shapes = _conv_block(f"{name}.conv1", into, out, config.kernel)
    shapes |= _linear(f"{name}.cond_encoder.1", condition, out * 2 if config.scales else out)
    shapes |= _conv_block(f"{name}.conv2", out, out, config.kernel)
    return shapes | (_conv(f"{name}.residual_conv", into, out, 1) if into != out else {})


def _conv_block(name: str, into: int, out: int, kernel: int) -> Shapes:
    norm = {f"{name}.block.1.weight": (out,), f"{name}.block.1.bias": (out,)}
    return _conv(f"{name}.block.0", into, out, kernel) | norm


def _conv(name: str, into: int, out: int, kernel: int) -> Shapes:
    return {f"{name}.weight": (out, into, kernel), f"{name}.bias": (out,)}


def _linear(name: str, into: int, out: int) -> Shapes:
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}
