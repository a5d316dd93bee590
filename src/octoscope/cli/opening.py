"""What commands that run a policy over episodes begin with: the device, compiled programs, the policy, the dataset."""

from octoscope.cli.selection import parse_pairs
from octoscope.episodes.sources import EpisodeSource, open_episodes
from octoscope.octo.device import Device, keep_compiled_programs, use_device
from octoscope.octo.model import OctoModel


def open_policy_and_episodes(
    checkpoint: str,
    episodes: str,
    *,
    split: str | None,
    cameras: tuple[str, ...],
    device: Device,
    compilation_cache: bool,
    checkpoint_step: int | None = None,
) -> tuple[OctoModel, EpisodeSource]:
    """Returns the policy, on the device that was asked for, and the episodes.

    Args:
      checkpoint: A folder, 'hf://owner/name', or an embedded policy's name.
      episodes: An RLDS dataset, or an embedded one's name.
      split: Of the dataset; 'train' where it exists, when None.
      cameras: As typed: 'primary=image_0'.
      device: What the policy runs on.
      compilation_cache: Whether compiled programs are kept in the user's cache folder.
      checkpoint_step: Training step of the parameters; the latest when None.

    Raises:
      OctoscopeError: If the device, the checkpoint, the dataset or a camera is not there.
    """
    use_device(device)
    if compilation_cache:
        keep_compiled_programs()
    model = OctoModel.load_pretrained(checkpoint, step=checkpoint_step)
    return model, open_episodes(episodes, split=split, cameras=parse_pairs(cameras, what="--cameras"))
