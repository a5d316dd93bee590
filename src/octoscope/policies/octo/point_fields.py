"""What Octo's names of encoding points say: the stage, the stack and the layer."""

import re
from dataclasses import replace

from octoscope.policies.octo.attention_rules import STACK
from octoscope.tokens.encoding_point import EncodingPoint

_TEXT_ENCODER = "T5"
_BLOCK = re.compile(r"blocks\.(?:(\d+)\.)?(\w+)")
_TEXT = re.compile(r"tokens\.task_\w+\.t5\.(\w+)")
_FILM = re.compile(r"film\.(.+)\.(before|after|scale|shift)")
_MAP = re.compile(r"stem\.(.+?)(\.input)?")


def with_fields(point: EncodingPoint) -> EncodingPoint:
    """Returns a point with what its name says; as it is where it says so already.

    >>> point = with_fields(EncodingPoint("blocks.3.residual", (9, 4), ("token", "embed"), "", None, False))
    >>> point.stage, point.stack, point.layer
    ('residual', 'transformer', 3)
    """
    if point.stage:
        return point
    if found := _BLOCK.fullmatch(point.name):
        return replace(point, stage=found[2], stack=STACK, layer=None if found[1] is None else int(found[1]))
    if found := _TEXT.fullmatch(point.name):
        if found[1].isdigit():
            return replace(point, stage="text.layer", layer=int(found[1]), place=_TEXT_ENCODER)
        return replace(point, stage=f"text.{found[1]}", place=_TEXT_ENCODER)
    if found := _FILM.fullmatch(point.name):
        return replace(point, stage=f"film.{found[2]}", place=found[1])
    if found := _MAP.fullmatch(point.name):
        return replace(point, stage="map.input" if found[2] else "map", place=found[1])
    return replace(point, stage=point.name.rpartition(".")[2])
