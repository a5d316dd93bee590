"""Which of LeRobot's policies lies at a path, told from its config.json alone."""

from octoscope.checkpoints.checkpoint_folder import checkpoint_folder
from octoscope.policies.lerobot_folder.policy_config import is_policy_folder, read_policy_config


def folder_kind(path: str) -> str | None:
    """Returns the `type` of the policy at a path ('act', 'smolvla'); None where no LeRobot policy lies there.

    Args:
      path: A folder, a training run's checkpoint above it, or 'hf://owner/name', of which the config alone is fetched.

    Raises:
      CheckpointError: If the hub cannot be reached.
      ConfigError: If it is a LeRobot policy whose config cannot be read.
    """
    folder = checkpoint_folder(path, files=["config.json"])
    for place in (folder, folder / "pretrained_model"):
        if is_policy_folder(place):
            return read_policy_config(place).kind
    return None
