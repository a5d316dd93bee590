"""How the family is found: a LeRobot folder whose config.json says `"type": "pi0"` or `"pi05"`."""

from octoscope.policies.lerobot_folder.folder_kind import folder_kind
from octoscope.policies.open_policy import OpenOptions
from octoscope.policies.parts.flow_policy import FlowPolicy
from octoscope.policies.parts.jax_device import prepare_jax
from octoscope.policies.pi.model import KINDS, PiModel


def open_pi(path: str, options: OpenOptions) -> FlowPolicy | None:
    """Returns the pi0 or pi0.5 at a path; None where something else, or nothing, lies there.

    Raises:
      CheckpointError: If it is one whose files are missing, broken or too old, or its tokenizer is nowhere.
      ConfigError: If it has options that are not known here.
      DeviceError: If the device is not there.
      SelectionError: If a training step was asked for.
    """
    kind = folder_kind(path)
    if kind not in KINDS:
        return None
    options.refuse_step()
    prepare_jax(options)
    return FlowPolicy(PiModel.load_pretrained(path), str(kind))
