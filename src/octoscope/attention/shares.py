"""Shares: how much of a query row's attention goes to each camera and timestep, to words, to padding words, to the rest."""

import numpy as np

from octoscope.array_typing import Bool, Float
from octoscope.tokens.layout import HasLayout, TokenLayout, TokenSpan, layout_of
from octoscope.tokens.token_names import timestep_name

NOT_CAPTURED = "not captured"


def attention_shares(
    layout: TokenLayout | HasLayout,
    weights: Float[np.ndarray, "*batch key"],
    *,
    stack: str | None = None,
    captured: Bool[np.ndarray, " key"] | None = None,
) -> dict[str, Float[np.ndarray, "*batch"]]:
    """Returns the weights summed over each kind of key; the shares of a query sum to 1.

    Patches on the padding around a frame are told apart from those that show some of it; padding pieces and marks such as `</s>` from
    words, because a policy attends to all of them and only words say something; so are the repeated copies of the instruction. A group
    of numbers has its name and timestep; so have the patches of cameras that several tokenizers look through. Cameras stacked into the
    same patches share one entry. Groups whose keys were not captured (NaN) have no share of their own: "not captured" is what the
    others leave of 1. Groups that are no keys of the stack have none either.

    Args:
      layout: Of the tokens, or a run.
      weights: One for each token of the layout.
      stack: Whose weights they are; the one that acts by default.
      captured: Which keys are known, where that need not be looked for in the weights.

    >>> from octoscope.tokens.token_source import TokenSource
    >>> groups = [("obs_primary", 2, TokenSource("image", ("image_primary",))), ("readout_action", 1, TokenSource("readout"))]
    >>> layout = TokenLayout.assemble([], groups, window=1)
    >>> {name: float(share) for name, share in attention_shares(layout, np.array([0.25, 0.25, 0.5])).items()}
    {'primary t': 0.5, 'readout_action': 0.5}
    """
    layout = layout_of(layout)
    shares: dict[str, np.ndarray] = {}
    if captured is None:
        captured = np.asarray(~np.isnan(weights).reshape(-1, weights.shape[-1]).all(axis=0))
    keys = layout.stack(stack).key_groups if layout.stacks else layout.groups
    for span in (span for span in layout.spans if span.group in keys):
        for name, places in share_parts(layout, span):
            if places and captured[places].all():
                # A slice of neighbours is no copy.
                neighbours = places[-1] - places[0] == len(places) - 1
                part = weights[..., places[0] : places[-1] + 1] if neighbours else weights[..., places]
                shares[name] = np.asarray(shares.get(name, 0) + part.sum(axis=-1))
    if not captured[layout.places(keys)].all():
        shares[NOT_CAPTURED] = np.asarray(1.0 - sum(shares.values(), np.zeros(weights.shape[:-1], weights.dtype)))
    return shares


def share_parts(layout: TokenLayout, span: TokenSpan) -> list[tuple[str, list[int]]]:
    """Returns the names and places of the kinds of key in a span: first what shows the scene or speaks, then marks and padding."""
    places = list(range(span.start, span.stop))
    time = timestep_name(layout, layout.time_of(span))
    if span.source.kind == "image":
        cameras = span.source.cameras
        several = len({other.group for other in layout.spans if other.source.cameras == cameras}) > 1
        name = f"{'+'.join(cameras)} {time} ({span.group})" if several else f"{'+'.join(cameras)} {time}"
        if span.source.scene is None:
            return [(name, places)]
        seen = span.source.shows_scene().ravel()
        beside = [place for place, shown in zip(places, seen, strict=True) if not shown]
        return [(name, [place for place in places if place not in beside]), (f"padding of {name}", beside)]
    if span.source.kind in ("lowdim", "vector"):
        return [(f"{span.group} {time}", places)]
    if span.source.kind == "language":
        kind = "words" if span.source.repeats is None else "repeated words"
        pieces = layout.pieces_of(span)
        if pieces is None:
            return [(kind, places)]
        # An entry for each mark of the policy's own, between words and padding.
        names = {kind: [], **{f"{piece.text} of {kind}": [] for piece in pieces if piece.kind == "special"}}
        names[f"padding of {kind}"] = []
        for place, piece in zip(places, pieces, strict=True):
            name = {"padding": f"padding of {kind}", "special": f"{piece.text} of {kind}"}.get(piece.kind, kind)
            names[name].append(place)
        return list(names.items())
    return [(span.group, places)]
