"""What less contrast does to the action, as the policy is and with its encoders' first norms held."""

import numpy as np

from octoscope.cnn.stems.contrast_effects import ContrastResponse
from octoscope.intervals import few_episodes, mean_interval
from octoscope.render.chart import Chart, Curve, Lines, Panel, Photo
from octoscope.render.palette import INK, MARK, QUIET_INK
from octoscope.render.view import drawn

_TILE = 128
_NOTE = (
    "Root mean square change of the normalised action chunk under the same noise; mean over n episodes of each one's mean over its steps, "
    "strokes are 95 % intervals over episodes. Blue: each encoder's first norm divides by what it divided by on the unchanged pictures; "
    "green: all its norms do. Orange, a control: random pixel noise of the same root mean square in place of the lower contrast. Dashed: "
    "other noise of the action head, pictures unchanged. All cameras and frames of the window are changed."
)


def contrast_response_chart(found: ContrastResponse) -> Chart:
    """Returns the frame under each contrast, and the change of the action by contrast."""
    # A step of an episode tells little that another one of it has not told.
    owners = [frame.rpartition(" step ")[0] for frame in found.frames]
    count = len(set(owners))
    names = [f"x {factor:g}" for factor in found.factors]
    noise = np.full(len(names), float(found.noise.mean()))
    curves = [Curve(noise, "other action noise", QUIET_INK, dashed=True, dots=False)]
    for values, label, color in (
        (found.pixel_noise, "pixel noise as large", (176, 88, 0)),
        (found.all_held, "all norms held", (0, 128, 96)),
        (found.norm_held, "first norm held", MARK),
        (found.as_is, "policy as it is", INK),
    ):
        each = np.stack([values[np.array(owners) == owner].mean(axis=0) for owner in dict.fromkeys(owners)])
        low, high = np.array([mean_interval(column, bounds=(0.0, np.inf)) for column in each.T]).T
        curves.append(Curve(each.mean(axis=0), label, color, low=low, high=high))
    top = 1.08 * max(
        float((each.values if each.high is None else np.fmax(each.high, each.values)).max()) for each in curves
    )
    depths = [f"{name} ({size:.0f} levels)" for name, size in zip(names, found.pixel_change.mean(axis=0), strict=True)]
    title = "Change of the action by contrast (pixel change, RMS)"
    panels: list[Panel] = [
        Photo(picture, name, _TILE) for picture, name in zip(found.pictures, ("unchanged", *names), strict=True)
    ]
    panels.append(Lines(curves, at=depths, title=title, top=top, width=760, height=300))
    lines = [f"{found.policy}; {len(found.frames)} steps of n = {count} episodes. Contrast about mid-grey."]
    lines += [few] if (few := few_episodes(count)) else []
    lines += [f"{found.policy}: {found.note}"] if found.note else []
    return Chart("Does contrast matter?", panels, subtitle=lines, footnote=_NOTE, breaks=[len(panels) - 1])


render_contrast_response = drawn(contrast_response_chart)
