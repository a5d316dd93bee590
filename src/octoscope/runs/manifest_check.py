"""Whether a manifest says what a run needs, in the types it needs; told by the name of the entry that does not."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from octoscope.errors import RunError
from octoscope.plain_data import read_plain
from octoscope.tokens.encoding_point import EncodingPoint
from octoscope.tokens.image_transform import ImageTransform
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.stack import AttentionStack

# No policy comes near: octo-base has 690 tokens and 12 layers.
_MOST_TOKENS, _MOST_LAYERS = 10**6, 10**4


class Manifest(dict[str, Any]):
    """What a run says of itself; an entry that it lacks is an error that people can read."""

    def __missing__(self, key: str) -> Any:
        """Refuses.

        Raises:
          RunError: Always.
        """
        raise RunError(f"The run says nothing of `{key}`: it was made without, or by an older octoscope. Make it anew.")


@dataclasses.dataclass(frozen=True)
class _Kept:
    """What is kept of one stack, as `AttentionSelection.to_manifest` says it."""

    query_groups: tuple[str, ...]
    key_groups: tuple[str, ...]
    layers: tuple[int, ...]
    query_timesteps: Literal["current", "all"] = "current"
    passes: tuple[int, ...] = (0,)


@dataclasses.dataclass(frozen=True)
class _Entries:
    """What is read of a manifest; what has a default may be missing, as in older runs."""

    policy: str
    policy_note: str
    episode: str
    episode_length: int
    instruction: str
    goal_images: tuple[str, ...]
    steps: tuple[int, ...]
    # By stack, what is kept of its attention.
    attention: Mapping[str, _Kept]
    layout: TokenLayout
    transforms: Mapping[str, ImageTransform]
    policy_step: int | None = None
    encodings: tuple[EncodingPoint, ...] = ()
    dtype: Literal["float16", "float32"] = "float16"
    dataset: str | None = None
    seed: int | None = None
    head: str | None = None
    compute: str | None = None
    device: str | None = None
    batch: int | None = None
    threads: int | None = None
    processor: str | None = None
    octoscope_version: str | None = None
    framework: Mapping[str, str] | None = None
    policy_family: str | None = None
    facts: Mapping[str, Any] | None = None
    remarks: tuple[str, ...] = ()
    recorded_instruction: str | None = None
    policy_sha256: str | None = None
    episode_sha256: str | None = None
    goal_sha256: Mapping[str, str] | None = None
    observations: Mapping[str, Any] | None = None
    config: Mapping[str, Any] | None = None


def check_manifest(manifest: Mapping[str, Any]) -> TokenLayout:
    """Returns the token layout of a manifest that is in order.

    Raises:
      ValueError: If an entry is missing, of another type, or does not go with the others; saying which.
    """
    names = {field.name for field in dataclasses.fields(_Entries)}
    entries: _Entries = read_plain(_Entries, {name: manifest[name] for name in manifest if name in names}, "")
    _check_layout(entries.layout)
    _check_selection(entries)
    for point in entries.encodings:
        if any(size < 1 for size in point.shape) or len(point.shape) != len(point.axes):
            raise ValueError(f"encodings: {point.name} has the shape {point.shape} for the axes {point.axes}")
    for camera in entries.layout.cameras:
        if camera not in entries.transforms:
            raise ValueError(f"transforms.{camera} is missing")
    for camera, transform in entries.transforms.items():
        if min(*transform.recorded_size, *transform.policy_size) < 1 or min(transform.scale) <= 0:
            raise ValueError(f"transforms.{camera} has a size or scale that is not above 0")
    _check_config(entries.config)
    return entries.layout


def _check_layout(layout: TokenLayout) -> None:
    start = 0
    for span in layout.spans:
        where = f"layout: {span.group}"
        if span.start != start or span.size < 1:
            raise ValueError(
                f"{where} lies at {span.start} with {span.size} tokens, {start} and at least 1 are expected"
            )
        if span.timestep is not None and not 0 <= span.timestep < layout.window:
            raise ValueError(f"{where} is of timestep {span.timestep}, the window has {layout.window}")
        grid = span.source.grid
        if grid is not None and (min(grid) < 1 or grid[0] * grid[1] != span.size):
            raise ValueError(f"{where} has {span.size} tokens on a grid of {grid[0]} x {grid[1]}")
        if span.source.repeats is not None and span.source.repeats not in layout.groups:
            raise ValueError(f"{where} repeats {span.source.repeats}, which is not there")
        start = span.stop
    if not layout.window >= 1 or not 1 <= layout.size <= _MOST_TOKENS:
        raise ValueError(f"layout: {layout.size} tokens in a window of {layout.window}")
    for group in layout.groups:
        times = [span.timestep for span in layout.spans if span.group == group]
        if times not in ([None], list(range(layout.window))):
            raise ValueError(f"layout: {group} is not there at each timestep once")
    names = layout.stack_names
    if not names or len(set(names)) != len(names):
        raise ValueError(f"layout: stacks must have names of their own, are {list(names)}")
    for stack in layout.stacks:
        _check_stack(layout, stack)
    for known in layout.pieces:
        _check_groups(f"layout.pieces of {known.group}", [known.group], layout.groups)
        size = layout.find_spans(known.group)[0].size
        if len(known.pieces) != size:
            raise ValueError(f"layout: {len(known.pieces)} pieces for the {size} tokens of {known.group}")


def _check_stack(layout: TokenLayout, stack: AttentionStack) -> None:
    where = f"layout: stack {stack.name}"
    _check_groups(f"{where}: query_groups", stack.query_groups, layout.groups)
    _check_groups(f"{where}: key_groups", stack.key_groups, layout.groups)
    for name in ("num_layers", "num_heads", "num_passes"):
        if not 1 <= getattr(stack, name) <= _MOST_LAYERS:
            raise ValueError(f"{where}: {name} must be in 1..{_MOST_LAYERS}, is {getattr(stack, name)}")
    wanted = tuple(sum(layout.select(g).size for g in groups) for groups in (stack.query_groups, stack.key_groups))
    if stack.rules.shape != wanted:
        raise ValueError(f"{where}: rules of {stack.rules.shape} for {wanted} tokens")
    # Unpacks the bits, which says whether they are whole.
    assert stack.rules.matrix.shape == wanted, "rules have their shape"


def _check_groups(where: str, groups: Sequence[str], known: Sequence[str]) -> None:
    if not groups or any(group not in known for group in groups) or len(set(groups)) != len(groups):
        raise ValueError(f"{where} must name groups of the layout, each once, is {list(groups)}")


def _check_selection(entries: _Entries) -> None:
    length = entries.episode_length
    if not entries.steps or not all(0 <= step < length for step in entries.steps):
        raise ValueError(f"steps must lie in 0..{length - 1} (episode_length {length})")
    counts = {name: getattr(entries, name) for name in ("batch", "threads")}
    for name, count in counts.items():
        if count is not None and not 1 <= count <= _MOST_LAYERS:
            raise ValueError(f"{name} must be in 1..{_MOST_LAYERS}, is {count}")
    if not entries.attention:
        raise ValueError("attention names no stack of which something is kept")
    for name, kept in entries.attention.items():
        if name not in entries.layout.stack_names:
            raise ValueError(f"attention: the layout has no stack {name}")
        stack, where = entries.layout.stack(name), f"attention.{name}"
        _check_groups(f"{where}.query_groups", kept.query_groups, stack.query_groups)
        _check_groups(f"{where}.key_groups", kept.key_groups, stack.key_groups)
        _check_rising(f"{where}.layers", kept.layers, stack.num_layers)
        _check_rising(f"{where}.passes", kept.passes, stack.num_passes)


def _check_rising(where: str, numbers: Sequence[int], count: int) -> None:
    if not numbers or list(numbers) != sorted(set(numbers)) or numbers[0] < 0 or numbers[-1] >= count:
        raise ValueError(f"{where} must rise within 0..{count - 1}, is {list(numbers)}")


def _check_config(config: Mapping[str, Any] | None) -> None:
    """Whether what is read of the policy's config is an object where it must be."""
    model = (config or {}).get("model")
    tokenizers = model.get("observation_tokenizers") if isinstance(model, Mapping) else None
    if config is None or (not config and tokenizers is None):
        return
    kinds = Mapping[str, Mapping[str, Any]]
    for name, tokenizer in read_plain(kinds, tokenizers, "config.model.observation_tokenizers").items():
        read_plain(Mapping[str, Any], tokenizer.get("kwargs", {}), f"config.model.observation_tokenizers.{name}.kwargs")
