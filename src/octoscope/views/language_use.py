"""Language use in one picture: how much of the attention lies on real words, per layer and step."""

import numpy as np

from octoscope.attention.query import QueryRow
from octoscope.attention.share_table import WORD_SHARES, ShareTable, share_table
from octoscope.render.chart import Bars, Chart, Grid, Panel
from octoscope.render.color_scale import ColorScale
from octoscope.render.view import drawn
from octoscope.runs.run import Run
from octoscope.views.attention_sheet import describe_run

_FOOTNOTE = (
    "Shares of the query row's whole attention, mean over heads. Blue: even attention. The end mark </s> stands behind every instruction "
    "and padding fills it up; neither says anything, yet Octo attends to them as to words. A share on words does not show that the "
    "action depends on them: swap the instruction to see that."
)


def language_use_chart(run: Run, *, query: str | QueryRow | None = None, table: ShareTable | None = None) -> Chart:
    """Returns the share on real words: for each layer over all steps as bars, and for each layer and step as a grid.

    Words are those in front and repeated; two more grids show what the end mark and what padding pieces get. All on one scale.

    Args:
      run: The run.
      query: Whose attention: a group, "GROUP:TOKEN" or "word:WORD"; the first readout by default.
      table: The shares of the run, where they are known already.

    Raises:
      SelectionError: If the query is not in the run, or it holds no attention to words.
    """
    table = table or share_table(run, query)
    order = np.argsort(table.steps)
    words, even = table.on_words()[order].mean(axis=2), float(table.uniform_on_words().mean())
    others = {
        title: (
            table.shares[..., places].sum(axis=-1).mean(axis=2)[order],
            float(table.uniform[:, places].sum(-1).mean()),
        )
        for title, prefix in (
            *((f"mark {mark}", f"{mark} of") for mark in _marks(table)),
            ("padding pieces", "padding of"),
        )
        if (places := [place for place, name in enumerate(table.names) if name.startswith(prefix)])
    }
    held = [name for name in table.names if name in WORD_SHARES]
    grids = {"words": (words, even), **others}
    top = max(1e-6, *(max(float(values.max()), uniform) for values, uniform in grids.values()))
    layers, steps = [str(layer) for layer in table.layers], [str(table.steps[place]) for place in order]
    panels: list[Panel] = [
        Bars(
            words.mean(axis=0),
            labels=[f"layer {layer}" for layer in layers],
            title="words, mean over steps",
            top=top,
            even=np.full(len(layers), even),
            label_width=60,
        )
    ]
    for name, (values, uniform) in grids.items():
        grid = Grid(
            values.T,
            title=f"{name}, step by step",
            row_labels=layers,
            column_labels=steps,
            column_name="step",
            widest=560,
            scale=ColorScale(vmax=top, cmap="viridis"),
            even=uniform,
        )
        panels.append(grid)
    return Chart(
        panels=panels,
        title=f"{table.query.label} gives {words.mean():.3f} of its attention to words, where even attention gives {even:.3f}",
        subtitle=[
            f"mean over {len(layers)} layers, {run.num_heads} heads and {len(steps)} steps; on {' and '.join(held)}",
            *describe_run(run),
        ],
        footnote=_FOOTNOTE,
        columns=2,
    )


def _marks(table: ShareTable) -> list[str]:
    """Returns the policy's own marks among the words, such as "</s>", that have shares of their own."""
    ends = tuple(f" of {words}" for words in WORD_SHARES)
    before = [name[: -len(end)] for name in table.names for end in ends if name.endswith(end)]
    return [mark for mark in dict.fromkeys(before) if mark != "padding"]


render_language_use = drawn(language_use_chart)
