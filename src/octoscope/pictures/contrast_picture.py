"""What less contrast does to the action, as the policy is and with its encoders' first norms held."""

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.cnn.stems.contrast_effects import ContrastResponse
from octoscope.intervals import few_episodes, mean_interval
from octoscope.render.depth_panel import DepthSeries, render_depth_panel
from octoscope.render.palette import INK, MARK, QUIET_INK
from octoscope.render.panel_page import render_panel_page
from octoscope.render.photo import resize_photo

_TILE, _GAP = 128, 8
_NOTE = (
    "Root mean square change of the normalised action chunk under the same noise; mean over n episodes of each one's mean over its steps, "
    "strokes are 95 % intervals over episodes. Blue: each encoder's first norm divides by what it divided by on the unchanged pictures; "
    "green: all its norms do. Orange, a control: random pixel noise of the same root mean square in place of the lower contrast. Dashed: "
    "other noise of the action head, pictures unchanged. All cameras and frames of the window are changed."
)


def render_contrast_response(found: ContrastResponse) -> UInt8[np.ndarray, "height width 3"]:
    """Returns a page: the frame under each contrast, and the change of the action by contrast."""
    # A step of an episode tells little that another one of it has not told.
    owners = [frame.rpartition(" step ")[0] for frame in found.frames]
    count = len(set(owners))
    names = [f"x {factor:g}" for factor in found.factors]
    series = [
        DepthSeries(
            np.full(len(names), float(found.noise.mean())), "other action noise", QUIET_INK, dashed=True, dotted=False
        )
    ]
    for values, label, color in (
        (found.pixel_noise, "pixel noise as large", (176, 88, 0)),
        (found.all_held, "all norms held", (0, 128, 96)),
        (found.norm_held, "first norm held", MARK),
        (found.as_is, "policy as it is", INK),
    ):
        each = np.stack([values[np.array(owners) == owner].mean(axis=0) for owner in dict.fromkeys(owners)])
        low, high = np.array([mean_interval(column, bounds=(0.0, np.inf)) for column in each.T]).T
        series.append(DepthSeries(each.mean(axis=0), label, color, low=low, high=high))
    top = 1.08 * max(
        float((each.values if each.high is None else np.fmax(each.high, each.values)).max()) for each in series
    )
    depths = [f"{name} ({size:.0f} levels)" for name, size in zip(names, found.pixel_change.mean(axis=0), strict=True)]
    panel = render_depth_panel(
        series,
        depths=depths,
        title="Change of the action by contrast (pixel change, RMS)",
        top=top,
        width=760,
        height=300,
    )
    pictures = [resize_photo(picture, _TILE) for picture in found.pictures]
    gap = np.full((pictures[0].shape[0], _GAP, 3), 255, np.uint8)
    strip = np.concatenate([part for picture in pictures for part in (picture, gap)][:-1], axis=1)
    lines = [
        f"{found.policy}; {len(found.frames)} steps of n = {count} episodes. Contrast about mid-grey; pictures: unchanged, "
        f"{', '.join(names)}.",
    ]
    lines += [few] if (few := few_episodes(count)) else []
    lines += [f"{found.policy}: {found.note}"] if found.note else []
    return render_panel_page([strip, panel], title="Does contrast matter?", subtitle=lines, footnote=_NOTE, columns=1)
