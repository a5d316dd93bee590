"""What a picture says of the object that the instruction names, where the episode has masks."""

from collections.abc import Sequence

from octoscope.attention.maps import AttentionMap
from octoscope.attention.regions import share_on_region


def named_object_title(maps: Sequence[AttentionMap]) -> str:
    """Returns the end of a title: the share, mean over heads, that the named object gets in all frames drawn; "" without masks."""
    shares = [share_on_region(found, found.named).mean() for found in maps if found.named is not None]
    where = f"in all {len(shares)} frames drawn" if len(shares) > 1 else "in the frame drawn"
    return f", {sum(shares):.1%} on the named object {where}" if shares else ""


def named_object_lines(maps: Sequence[AttentionMap]) -> list[str]:
    """Returns a line per camera: how much of its present frame the named object covers, and which head gives it most."""
    lines = []
    for found in maps:
        if found.named is None or found.steps_back or not found.named.any():
            continue
        shares = share_on_region(found, found.named)
        lines.append(
            f"named object in the present frame of {found.camera} alone: {found.named.mean():.1%} of the frame; of the whole attention "
            f"{shares.mean():.1%} lies on it there (mean over heads), {shares.max():.1%} of head {shares.argmax()}'s"
        )
    return lines
