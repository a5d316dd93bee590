"""How the family is found: a LeRobot folder whose config.json says `"type": "act"`."""

from octoscope.policies.act.act_policy import ActPolicy
from octoscope.policies.act.model import ActModel
from octoscope.policies.lerobot_folder.folder_kind import folder_kind
from octoscope.policies.open_policy import OpenOptions
from octoscope.policies.parts.jax_device import prepare_jax


def open_act(path: str, options: OpenOptions) -> ActPolicy | None:
    """Returns the ACT at a path; None where something else, or nothing, lies there.

    Raises:
      CheckpointError: If it is an ACT whose files are missing or broken.
      ConfigError: If it has options that are not known here.
      DeviceError: If the device is not there.
      SelectionError: If a training step is asked for: such a folder holds one.
    """
    if folder_kind(path) != "act":
        return None
    options.refuse_step()
    prepare_jax(options)
    return ActPolicy(ActModel.load_pretrained(path))
