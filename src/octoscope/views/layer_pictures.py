"""Layers as pictures: position embeddings, similarity between layers, and how patches look by depth."""

from collections.abc import Mapping, Sequence

import numpy as np

from octoscope.array_typing import Float
from octoscope.attention.depth_profile import DepthProfile
from octoscope.encodings.position_similarity import position_order, position_similarity
from octoscope.render.chart import Chart, Curve, Grid, Lines, Maps
from octoscope.render.color_scale import ColorScale
from octoscope.render.palette import INK, MARK
from octoscope.render.view import drawn
from octoscope.runs.run import Run
from octoscope.views.attention_sheet import describe_run


def position_similarity_chart(
    embeddings: Mapping[str, Float[np.ndarray, "_ _ embed"]], *, subtitle: Sequence[str] = ()
) -> Chart:
    """Returns, for each patch, how much its learned position embedding is like every other's: a small map at the patch's own place.

    All maps on one scale of the cosine, which ends at the least found and at 1.

    Args:
      embeddings: By name ("primary t", "wrist t-1") the learned embeddings (row, column, embed).
      subtitle: What the picture is of.
    """
    found = {name: position_similarity(each.astype(np.float64)) for name, each in embeddings.items()}
    scale = ColorScale(vmin=min(float(each.min()) for each in found.values()) - 1e-6, vmax=1.0, cmap="viridis")
    panels = []
    for name, similarity in found.items():
        order = position_order(similarity)
        note = (
            f"mean cosine: neighbours {order.neighbors:.2f}, one row {order.same_row:.2f}, one column {order.same_column:.2f}, all pairs "
            f"{order.all_pairs:.2f}; correlation with distance {order.with_distance:.2f}"
        )
        panels.append(Maps(similarity, title=name, scale=scale, note=note))
    return Chart(
        panels=panels,
        title="What the policy learned of places: cosine of each position embedding with every other",
        subtitle=subtitle,
        footnote="The small map at a place is of the patch there: bright where other places have a like embedding. Learned once, the "
        "same for every picture. All maps on one scale. The correlation is of cosine and distance over pairs of different patches: near "
        "-1 is an orderly grid.",
    )


def layer_similarity_chart(
    similarity: Mapping[str, Float[np.ndarray, "layer layer"]],
    *,
    depths: Sequence[str],
    samples: int,
    subtitle: Sequence[str] = (),
) -> Chart:
    """Returns the similarity of every two layers (linear CKA), 0..1 on one scale: a grid for each kind of token.

    Args:
      similarity: By title, from `layer_similarity`.
      depths: Names of the layers, "input", "block 0", ...
      samples: How many encodings each value is of.
      subtitle: What the picture is of.
    """
    short = [name.removeprefix("block ").removesuffix("put") for name in depths]
    panels = [
        Grid(
            table,
            title=title,
            row_labels=depths,
            column_labels=short,
            row_name="",
            column_name="",
            scale=ColorScale(vmax=1.0, cmap="viridis"),
        )
        for title, table in similarity.items()
    ]
    return Chart(
        panels=panels,
        title="How alike the layers are: linear CKA of the residual stream after each block",
        subtitle=subtitle,
        footnote=f"1: the same up to rotation and scale; 0: nothing in common. {samples} encodings; those of one frame are not "
        "independent, so no interval is given. Values below 0, which the debiased estimate can have, have the colour of 0.",
    )


def depth_profile_chart(run: Run, profile: DepthProfile) -> Chart:
    """Returns each statistic of the patches' rows by depth: a grey dot is a head, black the mean over heads, blue even attention.

    Args:
      run: The run.
      profile: Its statistics, from `depth_profile`.
    """
    panels = []
    for statistic in profile.statistics:
        heads = statistic.values
        even = np.full(len(heads), np.nan if statistic.even is None else statistic.even)
        curves = [
            Curve(even, "even", MARK, dashed=True, dots=False),
            Curve(heads.mean(axis=1), "mean", INK),
        ]
        top = max(float(np.nanmax(heads)), 0.0 if statistic.even is None else statistic.even)
        panels.append(
            Lines(
                curves,
                at=[f"layer {layer}" for layer in profile.layers],
                title=statistic.title,
                top=1.0 if statistic.limits and top > 0.5 else top * 1.05,
                dots=heads,
                note=statistic.meaning,
                width=310,
                height=230,
            )
        )
    return Chart(
        panels=panels,
        title=f"How patches of {profile.camera} look, by depth: {len(profile.steps)} steps",
        subtitle=[*describe_run(run), "rows of the patches at the current timestep, mean over patches and steps"],
        footnote="Grey dots: heads. Black: mean over heads. Blue: what even attention over all visible tokens would give. Distances are "
        "within a patch's own frame, weighted by what that frame gets. Attention says where is looked, not what the action depends on.",
        columns=4 if len(panels) > 6 else 3,
    )


render_position_similarity = drawn(position_similarity_chart)
render_layer_similarity = drawn(layer_similarity_chart)
render_depth_profile = drawn(depth_profile_chart)
