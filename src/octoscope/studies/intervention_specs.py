"""Interventions as people type them: "blank:primary", "cover:primary:2,3+2,4", "mask:word:carrot", "tell:pick up the plate"."""

from collections.abc import Sequence

from octoscope.errors import SelectionError, nearest
from octoscope.interventions.descriptions import (
    BlankCamera,
    CoverPatches,
    Intervention,
    MaskKeys,
    NoInstruction,
    Nothing,
    RemoveTimestep,
    ReplaceWord,
    ShuffleWords,
    UseInstruction,
)
from octoscope.interventions.fills import FILLS, Fill
from octoscope.interventions.usual import whole_frame_fills

_FORMS = {
    "blank": "blank:CAMERA",
    "cover": "cover:CAMERA:ROW,COLUMN+ROW,COLUMN",
    "mask": "mask:CAMERA, mask:CAMERA:ROW,COLUMN+..., mask:word:WORD, mask:group:GROUP",
    "tell": "tell:OTHER INSTRUCTION",
    "replace": "replace:WORD=OTHER",
    "silence": "silence",
    "shuffle": "shuffle",
    "remove": "remove:-2",
    "nothing": "nothing",
}


def parse_intervention(text: str, *, fills: Sequence[Fill]) -> list[Intervention]:
    """Returns the interventions that a text names: one, or one for each fill.

    Raises:
      SelectionError: If the text names none.

    >>> [found.label for found in parse_intervention("cover:primary:2,3+2,4", fills=["grey", "blur"])]
    ['2 patches of primary grey', '2 patches of primary blur']
    >>> [found.label for found in parse_intervention("blank:primary", fills=["grey", "surroundings"])]
    ['primary blanked grey', 'primary blanked blur']
    """
    kind, _, rest = text.partition(":")
    if kind not in _FORMS:
        raise SelectionError(
            f"There is no intervention '{kind}'.{nearest(kind, _FORMS)} Forms: {'; '.join(_FORMS.values())}."
        )
    match kind:
        case "blank" if rest:
            return [BlankCamera(rest, fill) for fill in whole_frame_fills(fills)]
        case "cover" if ":" in rest:
            camera, _, places = rest.partition(":")
            return [CoverPatches(camera, _patches(places, text), fill) for fill in fills]
        case "mask" if rest:
            return [_mask(rest, text)]
        case "tell" if rest:
            return [UseInstruction(rest)]
        case "replace" if "=" in rest:
            word, _, by = rest.partition("=")
            return [ReplaceWord(word, by)]
        case "remove" if rest.removeprefix("-").isdecimal():
            return [RemoveTimestep(int(rest))]
        case "silence" | "shuffle" | "nothing" if not rest:
            return [{"silence": NoInstruction(), "shuffle": ShuffleWords(), "nothing": Nothing()}[kind]]
    raise SelectionError(f"'{text}' is incomplete. It looks like {_FORMS[kind]}.")


def parse_fills(names: Sequence[str]) -> list[Fill]:
    """Returns the fills of these names.

    Raises:
      SelectionError: If there is no such fill.
    """
    for name in names:
        if name not in FILLS:
            raise SelectionError(f"--fill must be of {', '.join(FILLS)}, got '{name}'." + nearest(name, FILLS))
    return [fill for fill in FILLS if fill in names]


def _mask(rest: str, text: str) -> MaskKeys:
    first, _, second = rest.partition(":")
    if first in ("word", "group") and second:
        return MaskKeys(words=(second,)) if first == "word" else MaskKeys(group=second)
    return MaskKeys(camera=first, patches=_patches(second, text) if second else None)


def _patches(places: str, text: str) -> tuple[tuple[int, int], ...]:
    try:
        pairs = [tuple(int(part) for part in place.split(",")) for place in places.split("+")]
    except ValueError:
        pairs = []
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise SelectionError(f"Patches look like 2,3+2,4 (row,column), got '{text}'.")
    return tuple((pair[0], pair[1]) for pair in pairs)
