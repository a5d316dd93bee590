"""Lines that a picture must carry: what it cannot show, and what the policy was not given."""

from collections.abc import Mapping
from typing import Any

from octoscope.attention.maps import grid_box, unplaced_groups
from octoscope.runs.run import Run
from octoscope.tokens.layout import TokenLayout


def layout_remarks(layout: TokenLayout) -> list[str]:
    """Returns a line for each set of cameras that share their patches, and for each group of tokens that no map can show.

    >>> from octoscope.tokens.token_source import TokenSource
    >>> stacked = TokenSource("image", ("image_primary", "image_wrist"), grid=(4, 4))
    >>> layout_remarks(TokenLayout.assemble([], [("obs_image", 16, stacked)], window=1))
    ['primary and wrist are stacked into the same patches (obs_image): one weight, drawn on primary and wrist']
    """
    lines: list[str] = []
    for group in layout.groups:
        source = layout.find_spans(group)[0].source
        drawn = [camera for camera in source.cameras if camera in layout.cameras]
        if len(source.cameras) > 1 and source.grid is not None and drawn:
            stacked = f"{' and '.join(source.cameras)} are stacked into the same patches ({group})"
            lines.append(f"{stacked}: one weight, drawn on {' and '.join(drawn)}")
    return lines + [f"not drawn: {line}" for line in unplaced_groups(layout)]


def edge_remarks(run: Run) -> list[str]:
    """Returns a line for each group whose patches stop short of the image's edge: what is pale there, no token sees."""
    lines: list[str] = []
    for group in run.layout.groups:
        source = run.layout.find_spans(group)[0].source
        for camera in source.cameras if source.grid is not None else ():
            if camera in run.layout.cameras:
                transform = run.transform(camera)
                _, _, bottom, right = grid_box(source, transform)
                whole = transform.policy_box
                if bottom < whole[2] - 0.5 or right < whole[3] - 0.5:
                    lines.append(f"pale edge of {camera}: beyond the last whole patch of {group}")
    return lines


def observation_remarks(manifest: Mapping[str, Any]) -> list[str]:
    """Returns a line for each observation of numbers (which field, and what was done to it), and one for what is not recorded."""
    observations = manifest.get("observations", {"given": {}, "left_out": []})
    numbers, black = [], []
    for key, made in observations["given"].items():
        if made["from"] is None:
            black.append(key)
        elif "found_by" in made:
            numbers.append(f"{key} from '{made['from']}', {made['normalization']}")
    lines = [f"observed: {line}" for line in numbers]
    absent = [f"{', '.join(black)} black and marked as missing"] if black else []
    absent += [f"no {', '.join(observations['left_out'])} tokens"] if observations["left_out"] else []
    lines += [f"not recorded, so: {'; '.join(absent)}"] if absent else []
    unread = observations.get("unread", [])
    return [*lines, f"not given: {', '.join(unread)}, which no tokenizer of the policy reads"] if unread else lines


def compute_remarks(manifest: Mapping[str, Any]) -> list[str]:
    """Returns a line where the forward was rounded more than the policy's own.

    >>> compute_remarks({"compute": "bf16"})
    ["computed with products of bfloat16: not the weights of the policy's own forward, but near them"]
    """
    if manifest.get("compute") != "bf16":
        return []
    return ["computed with products of bfloat16: not the weights of the policy's own forward, but near them"]
