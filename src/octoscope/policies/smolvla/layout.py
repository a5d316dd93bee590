"""Which tokens a SmolVLA has for some inputs, and which of them each of its attentions looks from and at.

The sequence depends on the inputs: on the number of words, and on which cameras are there.
"""

from octoscope.policies.lerobot_folder.features import camera_name
from octoscope.policies.parts.token_groups import AttentionStack, TokenGroup
from octoscope.policies.smolvla.config import SmolVlaConfig

PREFIX, SUFFIX = "prefix", "suffix"


def prefix_groups(config: SmolVlaConfig, present: tuple[str, ...], words: int) -> tuple[TokenGroup, ...]:
    """Returns the groups of the prefix's tokens, in order.

    Args:
      config: The network.
      present: The cameras that are there, of the policy's.
      words: Word pieces with their padding.

    >>> from octoscope.policies.smolvla.config import VlmSizes
    >>> config = SmolVlaConfig(("observation.images.top",), 6, 6, VlmSizes())
    >>> [(group.name, group.start, group.stop) for group in prefix_groups(config, config.cameras, 8)]
    [('image_top', 0, 64), ('language', 64, 72), ('state', 72, 73)]
    """
    cameras = [camera for camera in config.cameras if camera in present]
    empty = min(len(config.cameras) - len(cameras), config.empty_cameras)
    names = [(f"image_{camera_name(camera)}", camera) for camera in cameras]
    names += [(f"image_empty_{number}", None) for number in range(empty)]
    groups: list[TokenGroup] = []

    def add(name: str, size: int, camera: str | None = None, grid: tuple[int, int] | None = None) -> None:
        groups.append(TokenGroup(name, groups[-1].stop if groups else 0, size, camera, grid))

    for name, camera in names:
        if config.special_tokens:
            add(f"{name}_start", 2)
        add(name, config.grid[0] * config.grid[1], camera, config.grid)
        if config.special_tokens:
            add(f"{name}_end", 1)
    add("language", words)
    add("state", 1)
    if config.prefix_length > groups[-1].stop:
        add("padding", config.prefix_length - groups[-1].stop)
    return tuple(groups)


def attention_stacks(config: SmolVlaConfig, present: tuple[str, ...], words: int) -> tuple[AttentionStack, ...]:
    """Returns the two attentions of a SmolVLA: among the prefix's tokens, once, and from actions in every pass."""
    prefix = prefix_groups(config, present, words)
    actions, keys = TokenGroup("action", 0, config.chunk_size), prefix[-1].stop
    heads = config.vlm.heads
    return (
        # What the last layer gives is not used: actions read keys and values that were made before it.
        AttentionStack(PREFIX, config.layers, heads, prefix, prefix, idle_layers=(config.layers - 1,)),
        AttentionStack(
            SUFFIX,
            config.layers,
            heads,
            (actions,),
            (*prefix, TokenGroup("action", keys, config.chunk_size)),
            passes=config.passes,
        ),
    )
