"""Runs whose every weight the test chooses, made without a policy: two words and a padding piece, 2 x 2 patches, a window of 2."""

import dataclasses

import numpy as np
from zarr.storage import MemoryStore

from octoscope.policies.octo.attention_rules import with_octo_stack
from octoscope.policies.octo.words.word_pieces import describe_pieces
from octoscope.runs.run import Run
from octoscope.runs.run_writer import RunWriter
from octoscope.tokens.attention_selection import select_attention
from octoscope.tokens.image_transform import ImageTransform
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.token_source import TokenSource

PIECES = ["\u2581push", "\u2581ball", "<pad>"]
LAYERS, HEADS = 2, 2


def hand_made_layout(*, repeat=True, pieces=tuple(PIECES)) -> TokenLayout:
    language = ("task_language", len(pieces), TokenSource("language", ("language_instruction",)))
    groups = [("obs_primary", 4, TokenSource("image", ("image_primary",), grid=(2, 2)))]
    copy = TokenSource("language", ("language_instruction",), repeats="task_language")
    groups += [("obs_task_language", len(pieces), copy)] if repeat else []
    groups += [("readout_action", 1, TokenSource("readout"))]
    layout = TokenLayout.assemble([language], groups, window=2).with_pieces(describe_pieces(pieces))
    return with_octo_stack(layout, LAYERS, HEADS)


def visible_matrix(layout: TokenLayout, *, padded: bool) -> np.ndarray:
    """Who may look at whom; at the first step nobody at the patches and the readout of the timestep before."""
    mask = layout.rules()
    if padded:
        mask = mask & ~padding_of(layout)
    return mask


def padding_of(layout: TokenLayout) -> np.ndarray:
    pad = np.zeros(layout.size, bool)
    for group in layout.groups:
        span = layout.find_spans(group, timestep=0)[0]
        pad[span.start : span.stop] = span.timestep is not None
    return pad


def even_weights(visible: np.ndarray, step: int) -> np.ndarray:
    rows = visible / np.maximum(1, visible.sum(axis=-1, keepdims=True))
    return np.broadcast_to(rows, (LAYERS, HEADS, *rows.shape))


def random_weights(visible: np.ndarray, step: int) -> np.ndarray:
    drawn = np.random.default_rng(step).exponential(size=(LAYERS, HEADS, *visible.shape)) * visible
    return drawn / np.maximum(drawn.sum(axis=-1, keepdims=True), 1e-30)


def hand_made_run(
    weights=random_weights,
    *,
    layout=None,
    steps=4,
    frames=None,
    masks=None,
    dataset="hand_made",
    store=None,
    targets=None,
    told=None,
    **chosen,
) -> Run:
    """Returns a run, in memory or at a path.

    Args:
      weights: From who may look at whom, and the step, to the weights (layer, head, query, key).
      layout: Of the tokens.
      steps: How many, or which.
      frames: (step, 32, 32, 3); black by default.
      masks: (step, 32, 32); none by default.
      dataset: Name of it, which says how masks are numbered.
      store: Path of the run; in memory by default.
      told: Entries of the manifest in place of others, such as the instruction.
      targets: (step,) with its axes: which object of the masks the words name.
      chosen: Arguments of `select_attention`; every row and key is kept by default.
    """
    layout = layout or hand_made_layout()
    steps = list(range(steps)) if isinstance(steps, int) else list(steps)
    length = max(steps) + 1
    (selection,) = select_attention(layout, **{"query_groups": "all", **chosen})
    recorded = np.zeros((length, 32, 32, 3), np.uint8) if frames is None else frames
    manifest = {
        "policy": "hand-made",
        "policy_note": "",
        "policy_step": 0,
        "episode": "hand/made/0",
        "dataset": dataset,
        "episode_length": length,
        "instruction": "push ball",
        "goal_images": [],
        "steps": steps,
        "attention": {selection.stack: selection.to_manifest()},
        "layout": layout.to_json(),
        "transforms": {"primary": dataclasses.asdict(ImageTransform.resize((32, 32), (32, 32)))},
    }
    manifest |= told or {}
    whole = {"frames/primary": (recorded, ("time", "height", "width", "channel"))}
    if masks is not None:
        whole["masks/primary"] = (masks, ("time", "height", "width"))
    whole |= {} if targets is None else {"target_id": targets}
    keys = selection.key_places(layout)
    with RunWriter(MemoryStore() if store is None else store, manifest=manifest, whole=whole) as writer:
        for step in steps:
            padded = step == 0
            matrix = weights(visible_matrix(layout, padded=padded), step).astype(np.float32)
            arrays = {
                "token_pad": (padding_of(layout) & padded, ("token",)),
                "timestep_pad_mask": (np.array([not padded, True]), ("window",)),
                "frame_index": (np.array([max(0, step - 1), step]), ("window",)),
                "actions": (np.zeros((1, 3), np.float32), ("horizon", "dim")),
            }
            for group in selection.query_groups:
                rows = matrix[:, :, selection.query_places(layout, group)][..., keys][list(selection.layers)]
                arrays[selection.array_name(group)] = (rows, selection.axes(layout, group))
            writer.append_step(arrays)
    return writer.read()
