"""Words and images: where each word of the instruction looks, and what each patch gives to each word."""

from collections.abc import Sequence

import numpy as np

from octoscope.attention.instruction_words import word_queries
from octoscope.attention.maps import AttentionMap, attention_maps, captured_spans
from octoscope.attention.patch_words import PatchWords, patch_words
from octoscope.attention.query import QueryRow
from octoscope.render.color_bar import ColorBar
from octoscope.render.color_scale import ColorScale
from octoscope.render.sheet import Sheet, SheetRow
from octoscope.render.tile import Tile
from octoscope.render.view import drawn
from octoscope.runs.run import Run
from octoscope.views.attention_sheet import check_heads, describe_run
from octoscope.views.weight_scale import WeightScale, even_weight, scale_of_largest

_LARGE, _SMALL, _FEW_WORDS = 144, 112, 9
_WORDS_CAPTION = (
    " Each word's row is the mean of its pieces' rows, from the instruction's copy at the "
    "current timestep. A word's map does not show what it means to the policy."
)
_PATCHES_CAPTION = (
    "Brighter: the patch gives more of its own attention to that word, its pieces added up (uniform: a word of one piece). "
    "What the action depends on, it does not show."
)


def words_sheet(
    run: Run,
    *,
    step: int,
    layer: int,
    head: int | None = None,
    camera: str | None = None,
    padding: bool = False,
    scale: str | WeightScale = "even",
) -> Sheet:
    """Returns where each word looks: a column is a word, a row a frame of the window.

    All tiles are on one scale, the same for all steps. "sum" is the share of the word's whole attention that lies on
    this frame.

    Args:
      run: The run; it must hold the rows of the repeated instruction, as runs do by default.
      step: Step of the episode.
      layer: 0 is the first.
      head: The mean over all heads by default, which the title says.
      camera: Only this one; all by default.
      padding: Also the end mark and the padding pieces.
      scale: How weights become colours: "even", "linear", "log" or "tile"; or the layer's scale, as `word_scale` gives it.

    Raises:
      SelectionError: If the policy's words cannot see images, their rows are not in the run, or the step, layer, head or camera does
        not exist.
    """
    heads = _heads(run, head)
    queries = word_queries(run.layout, padding=padding)
    maps = [attention_maps(run, query, step=step, layer=layer, camera=camera) for query in queries]
    names = [query.label.removeprefix("word '").removesuffix("'") for query in queries]
    if isinstance(scale, str):
        scale = word_scale(run, layer=layer, kind=scale, head=head, camera=camera, padding=padding)
    evens = [even_weight(run, query, step=step) for query in queries]
    # Where words see the words before them alone, the last see more than the first.
    owns = [None if even == evens[0] else even for even in evens]
    rows = []
    for frames in zip(*maps, strict=True):
        first = frames[0]
        tiles = [Tile("recorded", first.frame, dimmed=first.padded)]
        found = zip(names, owns, frames, strict=True)
        tiles += [scale.on(_word_tile(name, each, heads), even=own) for name, own, each in found]
        rows.append(SheetRow(_row_label(first), tiles))
    return Sheet(
        rows=rows,
        title=f"Where each word looks: {_whose(run, head)}, layer {layer} of 0..{run.num_layers - 1}, {_when(run, step)}",
        subtitle=describe_run(run),
        bar=scale.bar(evens[0], over="this layer, all steps"),
        tile_size=_tile_size(len(names)),
        footnote=scale.caption() + _WORDS_CAPTION,
    )


def patch_words_sheet(
    run: Run,
    *,
    step: int,
    layer: int,
    head: int | None = None,
    camera: str | None = None,
    padding: bool = False,
    vmax: float | None = None,
) -> Sheet:
    """Returns what each patch gives to each word: a column is a word, a row a camera and a copy of the instruction.

    Args:
      run: The run; it must hold rows of patches: `query_groups=["readout", "obs_primary"]`.
      step: Step of the episode.
      layer: 0 is the first.
      head: The mean over all heads by default, which the title says.
      camera: Only this one; by default all whose rows are in the run.
      padding: Also the end mark and the padding pieces.
      vmax: Top of the scale; by default the largest share of all steps, as `largest_patch_share` gives it.

    Raises:
      SelectionError: If the rows of patches are not in the run, or the step, layer, head or camera does not exist.
    """
    heads = _heads(run, head)
    found = patch_words(run, step=step, layer=layer, camera=camera, padding=padding)
    rows = [SheetRow(f"{each.camera} t ({each.copy})", _patch_tiles(each, heads)) for each in found]
    top = vmax or largest_patch_share(run, layer=layer, head=head, camera=camera, padding=padding)
    label = "share of the patch, one scale for this layer, all steps"
    uniform = even_weight(run, QueryRow(found[0].group, (0,), found[0].group), step=step)
    return Sheet(
        rows=rows,
        title=f"What patches give to each word: {_whose(run, head)}, layer {layer} of 0..{run.num_layers - 1}, {_when(run, step)}",
        subtitle=describe_run(run),
        bar=ColorBar(ColorScale(vmax=top), label, uniform),
        tile_size=_tile_size(len(found[0].words)),
        footnote=_PATCHES_CAPTION,
    )


render_words_sheet = drawn(words_sheet)
render_patch_words_sheet = drawn(patch_words_sheet)


def word_scale(
    run: Run, *, layer: int, kind: str, head: int | None = None, camera: str | None = None, padding: bool = False
) -> WeightScale:
    """Returns the scale of a words sheet, which ends at the largest weight that any word gives to any patch, over all steps of the run.

    Args:
      run: The run.
      layer: 0 is the first.
      kind: "even", "linear", "log" or "tile".
      head: Of this one; of the mean over all by default.
      camera: Of this camera; all by default.
      padding: Also of the end mark and the padding pieces.

    Raises:
      SelectionError: As for `words_sheet`.
    """
    heads = list(_heads(run, head))
    queries = word_queries(run.layout, padding=padding)
    spans = [span for _, span in captured_spans(run.layout, run.key_groups, camera)]
    places = np.concatenate([np.arange(span.start, span.stop) for span in spans])
    largest = 0.0
    for step in run.steps:
        rows = run.attention(queries[0].group, step=step, layers=run.check_layers([layer]))[0, heads].mean(axis=0)
        words = np.stack([rows[list(query.positions)].mean(axis=0) for query in queries])[:, places]
        if kind == "even":
            words = words / np.array([even_weight(run, query, step=step) for query in queries])[:, None]
        largest = max(largest, float(words.max(initial=0.0)))
    return scale_of_largest(kind, largest)


def largest_patch_share(
    run: Run, *, layer: int, head: int | None = None, camera: str | None = None, padding: bool = False
) -> float:
    """Returns the largest share that any patch gives to any word, over all steps of the run.

    Args:
      run: The run.
      layer: 0 is the first.
      head: Of this one; of the mean over all by default.
      camera: Of this camera; all by default.
      padding: Also of the end mark and the padding pieces.

    Raises:
      SelectionError: As for `patch_words_sheet`.
    """
    heads = list(_heads(run, head))
    largest = 0.0
    for step in run.steps:
        for found in patch_words(run, step=step, layer=layer, camera=camera, padding=padding):
            largest = max(largest, float(found.weights[heads].mean(axis=0).max(initial=0.0)))
    return largest or 1.0


def _heads(run: Run, head: int | None) -> Sequence[int]:
    return check_heads(run, None if head is None else [head])


def _whose(run: Run, head: int | None) -> str:
    return f"mean over {run.num_heads} heads" if head is None else f"head {head}"


def _when(run: Run, step: int) -> str:
    return f"step {step} of 0..{run.manifest['episode_length'] - 1}"


def _tile_size(words: int) -> int:
    return _LARGE if words <= _FEW_WORDS else _SMALL


def _word_tile(name: str, found: AttentionMap, heads: Sequence[int]) -> Tile:
    heat = found.weights[list(heads)].mean(axis=0)
    note = f"sum {heat.sum():.2f}"
    return Tile(name, found.frame, heat=heat, box=found.box, valid=found.valid, note=note, dimmed=found.padded)


def _patch_tiles(found: PatchWords, heads: Sequence[int]) -> list[Tile]:
    tiles = [Tile("recorded", found.frame)]
    for place, word in enumerate(found.words):
        heat = found.weights[list(heads), place].mean(axis=0)
        valid = np.full(heat.shape, bool(found.visible[place]))
        tiles.append(Tile(word, found.frame, heat=heat, box=found.box, valid=valid, note=f"mean {heat.mean():.3f}"))
    return tiles


def _row_label(found: AttentionMap) -> str:
    when = f"t-{found.steps_back}" if found.steps_back else "t"
    where = "before the start" if found.padded else f"step {found.frame_step}"
    return f"{found.camera} {when} ({where})"
