"""What damage and other programs make of a file: bytes and JSON that are nearly right, for fuzz tests of readers.

Every run of the tests tries the same few inputs. `OCTOSCOPE_FUZZ=20000 pytest tests -k fuzz` tries that many new ones of each.
"""

import copy
import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

_ASKED = os.environ.get("OCTOSCOPE_FUZZ")
# Values that a JSON file can hold and no reader expects.
STRANGE = [
    *(None, True, False, 0, 1, -1, 2, 7, 2**31, 2**63, -(2**63), 10**40, 0.5, 1e308, float("nan"), float("inf")),
    *(
        "",
        "x",
        "image_primary",
        "\u0000",
        "\ud7ff",
        "[",
        "a" * 300,
        [],
        [None],
        [0],
        [[1], [1, 2]],
        ["x"],
        {},
        {"a": 1},
    ),
]
_SPLICES = [
    b"\x00",
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"{",
    b"\x93NUMPY",
    b"\xdf\xff\xff\xff\xff",
    b"\xc9\xff\xff\xff\xff\x01",
]


def fuzzed(examples):
    """Settings: so many fixed inputs, or as many new ones as asked for; reading may take as long as it does."""
    return settings(
        max_examples=int(_ASKED or examples),
        derandomize=_ASKED is None,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@st.composite
def damaged_bytes(draw, content):
    """Bytes with one to three places cut out, overwritten or spliced into, or an end that is missing."""
    damaged = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(len(damaged) - 1, 0)))
        how = draw(st.sampled_from(["flip", "cut", "drop", "splice", "overwrite"]))
        if how == "flip" and damaged:
            damaged[place] ^= 1 << draw(st.integers(0, 7))
        elif how == "cut":
            del damaged[place:]
        elif how == "drop":
            del damaged[place : place + draw(st.integers(1, 16))]
        else:
            piece = draw(st.sampled_from(_SPLICES) | st.binary(min_size=1, max_size=8))
            damaged[place : place + (len(piece) if how == "overwrite" else 0)] = piece
    return bytes(damaged)


def headers_damaged(content, header):
    """Bytes whose damage lies in the first `header` of them, where a format says what follows."""
    return damaged_bytes(content[:header]).map(lambda damaged: damaged + content[header:])


@st.composite
def damaged_tree(draw, tree):
    """A JSON tree with one to three entries replaced by something strange, removed, or wrapped in a list."""
    damaged = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(damaged))
        if not places:
            return damaged
        parent, key = draw(st.sampled_from(places))
        how = draw(st.sampled_from(["replace", "replace", "replace", "remove", "wrap", "rename"]))
        if how == "remove":
            del parent[key]
        elif how == "wrap":
            parent[key] = [parent[key]]
        elif how == "rename" and isinstance(parent, dict):
            parent["renamed"] = parent.pop(key)
        else:
            parent[key] = copy.deepcopy(draw(st.sampled_from(STRANGE)))
    return damaged


def _places(tree):
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(entries):
        yield tree, key
        yield from _places(value)
