"""Probes as pictures: by depth, what can be read off patches, beside what the place alone tells and what shuffled labels give."""

from collections.abc import Mapping, Sequence

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.encodings.linear_probe import ProbeScore
from octoscope.intervals import few_episodes
from octoscope.render.depth_panel import DepthSeries, render_depth_panel
from octoscope.render.palette import INK, MARK, QUIET_INK, Color
from octoscope.render.panel_page import render_panel_page

_SHUFFLED: Color = (190, 92, 30)
_LABEL_ROOM = 74


def render_probes(
    scores: Mapping[str, Mapping[str, ProbeScore]],
    *,
    depths: Sequence[str],
    baselines: Sequence[str] = ("position",),
    questions: Mapping[str, str] | None = None,
    subtitle: Sequence[str] = (),
    title: str = "What a linear map can read off each patch, in episodes it never saw",
) -> UInt8[np.ndarray, "height width 3"]:
    """Draws a panel for each label, all on one scale from 0 to 1.

    Black: accuracy, the mean over classes of the part found, with its 95 % interval over episodes. Brown, dashed: the same with labels
    shuffled within each frame. Grey, dashed: baselines, such as the place in the grid alone. Blue, dashed: guessing.

    Args:
      scores: For each label, from `probe_encodings`.
      depths: Names of the features that are depths, in order.
      baselines: Names of the features that are none.
      questions: For each label a few words that stand for it in the title of its panel.
      subtitle: What the picture is of.
      title: Stands above.
    """
    panels = [
        render_depth_panel(
            _series(found, depths, [name for name in baselines if name in found]),
            depths=depths,
            title=(questions or {}).get(label, label),
            top=1.0,
            note=_note(next(iter(found.values()))),
            label_width=_LABEL_ROOM,
        )
        for label, found in scores.items()
    ]
    return render_panel_page(
        panels,
        title=title,
        subtitle=subtitle,
        footnote="Ridge classifier on the patches of the current frame, whole episodes held out. Black: accuracy, mean over classes, with "
        "its 95 % interval over episodes (jackknife; the outer of Student's t and the studentised bootstrap). Brown: labels shuffled among "
        "the patches of each frame. Grey: the cell of the grid alone. Blue: guessing. What can be read is not thereby used: that takes an "
        "intervention.",
        columns=min(2, len(panels)) if len(panels) in (2, 4) else min(3, len(panels)),
    )


def _series(found: Mapping[str, ProbeScore], depths: Sequence[str], baselines: Sequence[str]) -> list[DepthSeries]:
    def flat(value: float) -> np.ndarray:
        return np.full(len(depths), value)

    first = found[depths[0]]
    series = [DepthSeries(flat(first.chance), "guessing", MARK, dashed=True, dotted=False)]
    shuffled = np.array([found[depth].shuffled for depth in depths])
    series.append(DepthSeries(shuffled, "shuffled", _SHUFFLED, dashed=True, dotted=False))
    series += [
        DepthSeries(flat(found[name].accuracy), name, QUIET_INK, dashed=True, dotted=False) for name in baselines
    ]
    read, low, high = (
        np.array([getattr(found[depth], field) for depth in depths]) for field in ("accuracy", "low", "high")
    )
    return [*series, DepthSeries(read, "read", INK, low, high)]


def _note(score: ProbeScore) -> str:
    counts = f"{len(score.classes)} classes, {score.samples} patches of n = {score.episodes} episodes"
    return ". ".join(part for part in (counts, few_episodes(score.episodes)) if part)
