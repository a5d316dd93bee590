"""How the family is found: a LeRobot folder whose config.json says `"type": "act"`."""

from octoscope.policies.act.act_policy import ActPolicy
from octoscope.policies.act.model import ActModel
from octoscope.policies.lerobot_folder.folder_kind import folder_kind


def open_act(path: str) -> ActPolicy | None:
    """Returns the ACT at a path; None where something else, or nothing, lies there.

    Raises:
      CheckpointError: If it is an ACT whose files are missing or broken.
      ConfigError: If it has options that are not known here.
    """
    return ActPolicy(ActModel.load_pretrained(path)) if folder_kind(path) == "act" else None
