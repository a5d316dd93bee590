"""One sheet per step and layer: the frames of the window and what every head gives to their patches."""

from collections.abc import Sequence

import numpy as np

from octoscope.attention.maps import AttentionMap, attention_maps
from octoscope.attention.query import QueryRow, find_query
from octoscope.attention.shares import attention_shares
from octoscope.errors import SelectionError
from octoscope.render.sheet import Sheet, SheetRow
from octoscope.render.tile import Tile
from octoscope.render.view import drawn
from octoscope.runs.run import Run
from octoscope.tokens.layout import instruction_remarks
from octoscope.views.named_object import named_object_lines, named_object_title
from octoscope.views.remarks import compute_remarks, edge_remarks, layout_remarks, observation_remarks
from octoscope.views.unseen_token_bars import unseen_token_rows
from octoscope.views.weight_scale import WeightScale, even_weight, weight_scale

_TILE = 144
_SHARES_A_LINE = 12


def attention_sheet(
    run: Run,
    *,
    step: int,
    layer: int,
    query: str | QueryRow | None = None,
    camera: str | None = None,
    heads: Sequence[int] | None = None,
    scale: str | WeightScale = "even",
    vmax: float | None = None,
) -> Sheet:
    """Returns the sheet of one step and layer.

    A row is one frame of the window: the frame as recorded, then raw attention weights over its patches: mean and maximum over all
    heads, then each head. Every tile is on one scale, named by the colour bar; hatched patches may not be looked at; padded history is
    greyed out. The last row are bars: what goes to each word, to marks, padding, numbers and readouts, as shares of the head's whole
    attention. "sum" is the share of the head's whole attention that lies on this frame, without the padding that
    some policies put around it: that is not drawn, and has a share of its own. What the sheet does not
    show: whether the action depends on what is attended to.

    Args:
      run: The run.
      step: Step of the episode.
      layer: 0 is the first.
      query: Whose attention: a group, "GROUP:TOKEN" or "word:WORD"; the first readout by default.
      camera: Only this one; all by default.
      heads: Only these; mean and maximum are always over all heads.
      scale: How weights become colours: "even", "linear", "log" or "tile", see `WeightScale`; or the layer's scale itself, where it is
        known already.
      vmax: Top of the scale, a multiple of even attention in "even"; by default what is largest in the layer, on any patch, over all
        steps of the run.

    Raises:
      SelectionError: If the step, layer, query, camera, a head or the scale does not exist.
    """
    row = find_query(run.layout, query)
    check_layers(run, [layer])
    maps = attention_maps(run, row, step=step, layer=layer, camera=camera)
    heads = check_heads(run, heads)
    if isinstance(scale, str):
        scale = weight_scale(run, row, kind=scale, layers=[layer], vmax=vmax, camera=camera)
    rows = [SheetRow(map_row_label(m, maps), [*map(scale.on, map_tiles(m, heads, with_frame=True))]) for m in maps]
    bars = unseen_token_rows(run, row, step=step, layer=layer, heads=heads)
    return Sheet(
        rows=[*rows, *bars],
        title=f"{row.label} attends{stack_title(run)}: layer {layer} of 0..{run.num_layers - 1}, "
        f"step {step} of 0..{run.manifest['episode_length'] - 1}{named_object_title(maps)}",
        subtitle=[
            *describe_run(run),
            *_share_lines(run, row, step=step, layer=layer),
            *named_object_lines(maps),
        ],
        bar=scale.bar(even_weight(run, row, step=step), over="all tiles" if vmax else "this layer, all steps"),
        tile_size=_TILE,
        footnote=scale.caption(bars=bool(bars)),
    )


render_attention_sheet = drawn(attention_sheet)


def describe_run(run: Run) -> list[str]:
    """Returns the lines that say which policy, episode and task a picture belongs to, and what it cannot show."""
    manifest = run.manifest
    loop = manifest.get("loop", "open loop")
    trained = "" if manifest["policy_step"] is None else f" (step {manifest['policy_step']})"
    lines = [f"policy {manifest['policy']}{trained}, episode {manifest['episode']}, {loop}"]
    if manifest["instruction"]:
        recorded = manifest.get("recorded_instruction")
        lines.append(f'task: "{manifest["instruction"]}"' + (f'; recorded was: "{recorded}"' if recorded else ""))
        lines += instruction_remarks(run.layout)
    if manifest["goal_images"]:
        lines.append(f"goal image: {', '.join(manifest['goal_images'])}")
    lines += [*compute_remarks(manifest), *observation_remarks(manifest)]
    lines += [*layout_remarks(run.layout), *edge_remarks(run)]
    return [manifest["policy_note"], *lines] if manifest["policy_note"] else lines


def stack_title(run: Run) -> str:
    """Returns which stack and pass a picture is of, where the policy has several; "" for the one that Octo has."""
    stack = run.stack
    named = [f"in {stack.name}"] if len(run.layout.stacks) > 1 else []
    if stack.num_passes > 1:
        shown = run.selection.passes[-1] if run.forward_pass is None else run.forward_pass
        named.append("mean of passes" if shown == "mean" else f"pass {shown} of 0..{stack.num_passes - 1}")
    return f" ({', '.join(named)})" if named else ""


def map_tiles(found: AttentionMap, heads: Sequence[int], *, with_frame: bool) -> list[Tile]:
    """Returns the tiles of one frame: the frame, the mean and maximum over all heads, and the heads asked for."""
    total, largest = found.on_scene.sum(axis=1), found.on_scene.max(initial=0.0)

    def tile(label: str, heat: np.ndarray, note: str) -> Tile:
        return Tile(
            label,
            found.frame,
            heat=heat,
            box=found.box,
            valid=found.valid,
            note=note,
            dimmed=found.padded,
            outline=found.named,
        )

    tiles = [Tile("recorded", found.frame, dimmed=found.padded, outline=found.named)] if with_frame else []
    tiles.append(tile("mean", found.weights.mean(axis=0), f"sum {total.mean():.2f}"))
    tiles.append(tile("max", found.weights.max(axis=0), f"max {largest:.3f}"))
    for head in heads:
        tiles.append(tile(f"head {head}", found.weights[head], f"sum {total[head]:.2f}"))
    return tiles


def check_layers(run: Run, layers: Sequence[int] | None) -> Sequence[int]:
    """Returns the layers to draw, all that the run holds by default.

    Raises:
      SelectionError: If a layer does not exist, or was not captured.
    """
    return run.layers if layers is None else run.check_layers(layers)


def check_heads(run: Run, heads: Sequence[int] | None) -> Sequence[int]:
    """Returns the heads to draw, all by default.

    Raises:
      SelectionError: If a head does not exist.
    """
    heads = range(run.num_heads) if heads is None else heads
    for head in heads:
        if not 0 <= head < run.num_heads:
            raise SelectionError(f"`head` must be in 0..{run.num_heads - 1} for {run.manifest['policy']}, got {head}.")
    return heads


def map_row_label(found: AttentionMap, maps: Sequence[AttentionMap]) -> str:
    """Returns what stands beside the tiles of one frame: "primary t-1 (step 3)"; with the token group where a camera has several."""
    when = f"t-{found.steps_back}" if found.steps_back else "t"
    where = "before the start" if found.padded else f"step {found.frame_step}"
    return f"{_map_name(found, maps)} {when} ({where})"


def _map_name(found: AttentionMap, maps: Sequence[AttentionMap]) -> str:
    """Returns the camera of a map, with the token group where several look through that camera."""
    several = any(other.camera == found.camera and other.group != found.group for other in maps)
    return f"{found.camera} {found.group}" if several else found.camera


def _share_lines(run: Run, query: QueryRow, *, step: int, layer: int) -> list[str]:
    weights = query.weights(run, step=step, layers=[layer])[0].mean(axis=0)
    shares = attention_shares(run.layout, weights, stack=run.stack.name)
    named = [f"{name} {float(share):.1%}" for name, share in shares.items()]
    # A line that would be wrapped too often is cut, and no share may be lost.
    lines = [", ".join(named[first : first + _SHARES_A_LINE]) for first in range(0, len(named), _SHARES_A_LINE)]
    return [f"shares, mean over heads: {lines[0]}", *lines[1:]]
