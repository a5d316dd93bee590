"""Image encoders side by side: what each costs and sees, what can be read off its tokens, and what shifts do to them."""

from collections.abc import Sequence

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.cnn.stems.encoder_facts import EncoderFacts
from octoscope.cnn.stems.encoder_reading import EncoderReadings
from octoscope.cnn.stems.translation import ShiftResponse
from octoscope.render.color_scale import ColorScale
from octoscope.render.heat_panel import render_heat_panel
from octoscope.render.line_panel import Curve, render_line_panel
from octoscope.render.palette import INK, MARK, Color
from octoscope.render.panel_page import render_panel_page
from octoscope.runs.column_table import ColumnTable

_COLORS: tuple[Color, ...] = (MARK, INK, (176, 88, 0), (0, 128, 96), (140, 60, 150))
_NOTE = (
    "Readings are linear (ridge; penalty chosen within the training episodes), one token at a time, from episodes that the reading "
    "never saw: 1 is exact, 0 no better than the mean; below 0 is drawn as 0. What can be read is there; that the policy uses it is not "
    "shown. Shifts: down and right, mean of both; tokens near the edge left out. Random encoders are single draws: of the patch "
    "embedding only what depends on its reach is a property of the architecture. No trained patch or ResNet policy was compared."
)


def render_encoder_comparison(
    facts: Sequence[EncoderFacts], readings: EncoderReadings, shifts: Sequence[ShiftResponse], *, note: str = ""
) -> UInt8[np.ndarray, "height width 3"]:
    """Returns one page: figures in a table of text, readings as numbers in colour, shifts as curves.

    Args:
      facts: From `encoder_facts`; the first is drawn in blue.
      readings: From `encoder_readings`.
      shifts: From `shift_response`, in the order of `facts`.
      note: A line that every picture of these weights must carry; "" for none.
    """
    scores = np.maximum(readings.r2(), 0.0)
    heat = render_heat_panel(
        scores,
        title="Read off one token (R2, held-out episodes)",
        row_labels=[f"{name} ({readings.entries[name]})" for name in readings.encodings],
        column_labels=list(readings.targets),
        scale=ColorScale(vmax=1.0, cmap="viridis"),
        row_name="",
        column_name="",
        note="In brackets: entries of a token.",
    )
    panels = [heat]
    label_width = 172
    for title, values, bottom in (
        ("Change of tokens (1: as another token)", [response.change for response in shifts], 0.0),
        ("Undone by interpolation (R2)", [response.interpolated for response in shifts], -0.5),
        ("Undone by a linear map (R2)", [response.mapped for response in shifts], -0.5),
    ):
        curves = [
            Curve(np.where(each >= bottom, each, np.nan), response.encoder, color)
            for each, response, color in zip(values, shifts, _COLORS, strict=False)
        ]
        top = max(1.0, max(float(np.nanmax(each)) for each in values))
        panels.append(
            render_line_panel(
                curves,
                steps=shifts[0].shifts,
                title=title,
                top=top,
                bottom=bottom,
                x_label="shift in pixels",
                width=480,
                height=230,
                label_width=label_width,
                sampled=True,
            )
        )
    lines = [
        f"{each.name}: sees {each.field} pixels every {each.stride}, first centred on {each.first_center:g}; {each.entries} entries; "
        f"{each.parameters / 1e3:.0f}k parameters; {each.multiplications / 1e6:.0f}M multiplications"
        + ("" if np.isnan(each.seconds) else f", {1e3 * each.seconds:.1f} ms")
        for each in facts
    ]
    lines += [note] if note else []
    title = "Image encoders compared"
    return render_panel_page(panels, title=title, subtitle=lines, footnote=_NOTE, columns=2)


def encoder_table(
    facts: Sequence[EncoderFacts], readings: EncoderReadings, shifts: Sequence[ShiftResponse]
) -> ColumnTable:
    """Returns one line per encoder and figure: what it is of, the figure, and where there is one its interval over how many episodes."""
    rows: list[tuple[str, str, float, float, float, int]] = []
    nothing = float("nan")
    for encoder in facts:
        for name in ("field", "stride", "first_center", "entries", "parameters", "multiplications", "seconds"):
            rows.append((encoder.name, name, float(getattr(encoder, name)), nothing, nothing, 0))
    for name, row in readings.readings.items():
        rows += [
            (name, f"reading {target}", each.r2, each.low, each.high, each.episodes) for target, each in row.items()
        ]
    for response in shifts:
        for place, shift in enumerate(response.shifts):
            for name in ("change", "interpolated", "mapped"):
                rows.append(
                    (
                        response.encoder,
                        f"shift {shift} {name}",
                        float(getattr(response, name)[place]),
                        nothing,
                        nothing,
                        0,
                    )
                )
    names = ("encoder", "figure", "value", "low", "high", "episodes")
    return ColumnTable({name: [row[place] for row in rows] for place, name in enumerate(names)})
