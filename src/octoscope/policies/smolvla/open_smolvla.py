"""How the family is found: a LeRobot folder whose config.json says `"type": "smolvla"`."""

from octoscope.policies.lerobot_folder.folder_kind import folder_kind
from octoscope.policies.open_policy import OpenOptions
from octoscope.policies.parts.flow_policy import FlowPolicy
from octoscope.policies.parts.jax_device import prepare_jax
from octoscope.policies.smolvla.model import SmolVlaModel


def open_smolvla(path: str, options: OpenOptions) -> FlowPolicy | None:
    """Returns the SmolVLA at a path; None where something else, or nothing, lies there.

    Raises:
      CheckpointError: If it is a SmolVLA whose files are missing or broken, or its tokenizer is nowhere.
      ConfigError: If it has options that are not known here.
      SelectionError: If a training step was asked for.
    """
    if folder_kind(path) != "smolvla":
        return None
    options.refuse_step()
    prepare_jax(options)
    return FlowPolicy(SmolVlaModel.load_pretrained(path), "smolvla")
