"""Damage for fuzz tests: bytes flipped, cut, repeated or filled, and JSON with odd values put somewhere in the tree."""

import json
from typing import Any

from hypothesis import strategies as st

_EDITS = st.sampled_from(["set", "flip", "delete", "insert", "ones", "zeros", "repeat"])
_ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, -5, 0, 3.7, 10**30, "-1", "-7", "1e3", "9" * 30, "", "\0", "../x", "/etc/passwd", "é" * 300]),
    st.sampled_from(
        ["uint8", "string", "object", "O", "V8", "(3,)f4", "f4,i4", "M8[s]", "S5", "complex64", "bfloat16"]
    ),
    st.sampled_from([[], {}, [1], ["5000000000"], {"dimensions": ["-3"]}, {"dimensions": "12"}]),
    st.sampled_from([{"dimensions": ["99999999999"] * 2}, {"dimensions": ["-1", "-1"]}, float("nan")]),
)
# What json.loads cannot follow, and what it can but a walk through the tree cannot.
DEEP = [
    b"[" * 5_000,
    b'{"featuresDict":{"features":{"x":' * 400 + b"1" + b"}}}" * 400,
    b'{"name":' + b"[" * 900 + b"]" * 900 + b"}",
]


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Draws the bytes with one to four edits."""
    out = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        place, edit = draw(st.integers(0, max(len(out) - 1, 0))), draw(_EDITS)
        length = draw(st.sampled_from([1, 2, 4, 8, 16, 64, len(out)]))
        if edit == "set":
            out[place : place + 1] = bytes([draw(st.integers(0, 255))])
        elif edit == "flip" and out:
            out[place] ^= 1 << draw(st.integers(0, 7))
        elif edit == "delete":
            del out[place : place + length]
        elif edit == "insert":
            out[place:place] = draw(st.binary(max_size=16))
        elif edit == "repeat":
            out[place:place] = out[place : place + min(length, 64)]
        else:
            out[place : place + 8] = (b"\xff" if edit == "ones" else b"\0") * 8
    return bytes(out)


@st.composite
def odd_json(draw: st.DrawFn, text: bytes) -> bytes:
    """Draws a JSON text in which an entry somewhere is odd or missing, the text itself is damaged, or nests too deep."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(DEEP))
    if draw(st.integers(0, 3)) == 0:
        return draw(damaged(text))
    tree = json.loads(text)
    for _ in range(draw(st.integers(1, 2))):
        *path, key = draw(st.sampled_from(_places(tree) or [("name",)]))
        parent: Any = tree
        for step in path:
            parent = parent[step]
        if draw(st.integers(0, 4)) == 0 and isinstance(parent, dict):
            parent.pop(key, None)
        else:
            parent[key] = draw(_ODD)
        if draw(st.booleans()):
            break
    return json.dumps(tree).encode()


def _places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [place for key, child in children for place in ((*path, key), *_places(child, (*path, key)))]
