"""The structure of the whole token matrix as a picture: which tokens there are, and who may look at whom."""

from collections.abc import Sequence

import numpy as np

from octoscope.array_typing import Bool
from octoscope.attention.shares import timestep_name
from octoscope.render.chart import Chart, MatrixSpan, TokenMatrix
from octoscope.render.view import drawn
from octoscope.tokens.layout import HasLayout, TokenLayout, layout_of


def layout_chart(
    layout: TokenLayout | HasLayout,
    *,
    pad: Bool[np.ndarray, " token"] | None = None,
    title: str,
    subtitle: Sequence[str] = (),
) -> Chart:
    """Returns the token matrix: a filled cell means that the query (row) may look at the key (column).

    Args:
      layout: The token layout, or a run.
      pad: For each token, whether it is masked out as a key; such columns are greyed.
      title: First line.
      subtitle: Lines under it.
    """
    layout = layout_of(layout)
    spans = [
        MatrixSpan(
            span.group if span.timestep is None else f"{span.group} {timestep_name(layout, span.timestep)}",
            span.start,
            span.size,
            span.source.kind,
        )
        for span in layout.spans
    ]
    return Chart(title, [TokenMatrix(layout.rules(), spans, pad)], subtitle=subtitle)


render_layout = drawn(layout_chart)
