"""Weights drawn anew, part by part, from the action back to the pictures.

Each array is drawn from a normal distribution with the mean and deviation of the learnt one, so that no initialiser has to be known.
"""

import functools
import hashlib
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from octoscope.errors import SelectionError, nearest
from octoscope.policies.policy_model import PolicyModel

# Name and pattern of each part; every parameter's path matches one.
Parts = Sequence[tuple[str, str]]


def numbered_parts(params: Mapping[str, Any], parts: Iterable[tuple[str, str]]) -> Parts:
    """Returns parts of which one is made for each number that a path has in the place of "#", the largest first.

    >>> numbered_parts({"layers": {"0": 1, "1": 2}, "out": 3}, [("head", "out"), ("layer #", "layers/#")])
    [('head', 'out'), ('layer 1', 'layers/1'), ('layer 0', 'layers/0')]
    """
    paths = ["/".join(path) for path in traverse_util.flatten_dict(dict(params))]
    whole: list[tuple[str, str]] = []
    for name, pattern in parts:
        if "#" not in pattern:
            whole.append((name, pattern))
            continue
        found = (re.match(pattern.replace("#", r"(\d+)"), path) for path in paths)
        numbers = sorted({int(each[1]) for each in found if each is not None}, reverse=True)
        whole += [(name.replace("#", str(number)), pattern.replace("#", str(number))) for number in numbers]
    return whole


def redrawn_params(
    params: Mapping[str, Any], parts: Parts, stages: Sequence[str], *, seed: int, draw: int = 0
) -> tuple[dict[str, Any], str]:
    """Returns parameters with some parts drawn anew, on the device once for all, and what was drawn, in words.

    Args:
      params: The learnt ones.
      parts: All there are.
      stages: Names of those that are drawn anew.
      seed: Of the draw.
      draw: Which one of the seed.

    Raises:
      SelectionError: If there is no such part.
    """
    known = dict(parts)
    if unknown := [name for name in stages if name not in known]:
        raise SelectionError(f"`stages` must be of {', '.join(known)}, got '{unknown[0]}'.{nearest(unknown[0], known)}")
    drawn = randomized_params(params, [known[name] for name in stages], seed=seed, draw=draw)
    told = "all weights" if set(stages) == set(known) else ", ".join(stages)
    flat = traverse_util.flatten_dict(drawn)
    return traverse_util.unflatten_dict({path: jnp.asarray(leaf) for path, leaf in flat.items()}), (
        f"{told} (seed {seed}, draw {draw})"
    )


class RedrawsParts:
    """What `Redrawable` asks for, of policies whose parts are told by the paths of their parameters."""

    # Name and pattern of each part, from the action back to the pictures; "#" stands for a number, see `numbered_parts`.
    PARTS: ClassVar[Parts]
    # What was drawn anew: "all weights (seed 3, draw 0)"; "" for what was learnt.
    drawn: str

    @property
    def stages(self) -> tuple[str, ...]:
        """Parts from the action back to the pictures."""
        return tuple(name for name, _ in self._parts)

    def redrawn(self, stages: Sequence[str], *, seed: int, draw: int = 0) -> PolicyModel:
        """Returns the policy with these parts drawn anew; nothing is compiled again.

        Raises:
          SelectionError: If there is no such part.
        """
        params, drawn = redrawn_params(self._learnt_params(), self._parts, stages, seed=seed, draw=draw)
        return self._with_params(params, drawn)

    @functools.cached_property
    def _parts(self) -> Parts:
        return numbered_parts(self._learnt_params(), self.PARTS)

    def _learnt_params(self) -> Mapping[str, Any]:
        raise NotImplementedError

    def _with_params(self, params: Mapping[str, Any], drawn: str) -> PolicyModel:
        raise NotImplementedError


def drawn_name(name: str, drawn: str) -> str:
    """Returns the name of a policy of which something was drawn anew."""
    return f"{name}, random weights" if drawn else name


def drawn_note(note: str, drawn: str) -> str:
    """Returns the note of a policy of which something was drawn anew."""
    return " ".join(filter(None, (note, f"Drawn anew: {drawn}." if drawn else "")))


def drawn_digest(digest: str, drawn: str) -> str:
    """Returns the digest of a policy's files, and of what was drawn anew."""
    return hashlib.sha256(f"{digest} {drawn}".encode()).hexdigest() if drawn else digest


def randomized_params(
    params: Mapping[str, Any], patterns: Sequence[str], *, seed: int, draw: int = 0
) -> dict[str, Any]:
    """Returns parameters in which all arrays whose path matches a pattern are drawn anew; a place draws the same at every stage.

    Draws of different seeds have nothing in common.

    >>> same = randomized_params({"heads_action": {"bias": np.ones(3)}}, ["octo_.*"], seed=0)
    >>> same["heads_action"]["bias"].tolist()
    [1.0, 1.0, 1.0]
    """
    flat = traverse_util.flatten_dict(dict(params), sep="/")
    drawn = {
        path: _redrawn(np.asarray(leaf), path, seed, draw) if any(re.fullmatch(p, path) for p in patterns) else leaf
        for path, leaf in flat.items()
    }
    return traverse_util.unflatten_dict(drawn, sep="/")


def _redrawn(array: np.ndarray, path: str, seed: int, draw: int) -> np.ndarray:
    if not jnp.issubdtype(array.dtype, jnp.floating):
        return array
    rng = np.random.default_rng([seed, zlib.crc32(path.encode()), draw])
    exact = array.astype(np.float64) if array.dtype.itemsize < 4 else array
    drawn = exact.mean() + exact.std() * rng.normal(size=array.shape)
    # A variance below zero is none.
    return (np.abs(drawn) if path.endswith("running_var") else drawn).astype(array.dtype)
