"""How the family is found: a LeRobot folder whose config.json says `"type": "diffusion"`."""

from octoscope.policies.diffusion.diffusion_policy import DiffusionPolicy
from octoscope.policies.lerobot_folder.folder_kind import folder_kind
from octoscope.policies.open_policy import OpenOptions
from octoscope.policies.parts.jax_device import prepare_jax


def open_diffusion(path: str, options: OpenOptions) -> DiffusionPolicy | None:
    """Returns the Diffusion Policy at a path; None where something else, or nothing, lies there.

    Raises:
      CheckpointError: If it is one whose files are missing or broken.
      ConfigError: If it has options that are not known here.
      SelectionError: If a training step was asked for.
    """
    if folder_kind(path) != "diffusion":
        return None
    options.refuse_step()
    prepare_jax(options)
    return DiffusionPolicy.load_pretrained(path)
