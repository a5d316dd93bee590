"""Two tiny Diffusion Policies that LeRobot made: their folders, made whole."""

import shutil
from pathlib import Path

import safetensors.numpy

from policies.act_fixture import packed_weights

TINY = Path(__file__).parent / "diffusion_tiny"
CAMERAS = {"ddpm": ("top",), "ddim": ("top", "wrist")}
PARTS = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}


def unpacked(folder: Path, kind: str) -> Path:
    """Makes the policy's folder whole and returns it."""
    shutil.copytree(TINY / kind, folder, dirs_exist_ok=True)
    weights = safetensors.numpy.load_file(folder / "rest.safetensors")
    (folder / "rest.safetensors").unlink()
    encoder = "diffusion.rgb_encoder.0" if kind == "ddpm" else "diffusion.rgb_encoder"
    for name, array in packed_weights().items():
        if name.startswith("model.backbone.") and not (kind == "ddim" and "running_" in name):
            part, _, rest = name.removeprefix("model.backbone.").partition(".")
            weights[f"{encoder}.backbone.{PARTS[part]}.{rest}"] = array
    safetensors.numpy.save_file(weights, folder / "model.safetensors")
    return folder
