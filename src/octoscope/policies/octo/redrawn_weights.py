"""Octo with parts of its weights drawn anew, from the action head back to the tokenizers.

Each array is drawn from a normal distribution with the mean and deviation of the learnt one, so that no initialiser has to be known.
"""

import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from flax import traverse_util


def randomization_stages(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns name and pattern of the parts of a policy, from the action head down.

    >>> blocks = {"encoderblock_0": {}, "encoderblock_1": {}}
    >>> params = {"octo_transformer": {"BlockTransformer_0": {"Transformer_0": blocks}}}
    >>> [name for name, _ in randomization_stages(params)]
    ['head', 'layer 1', 'layer 0', 'tokenizers']
    """
    blocks = params["octo_transformer"]["BlockTransformer_0"]["Transformer_0"]
    layers = sorted((int(name.split("_")[1]) for name in blocks if name.startswith("encoderblock_")), reverse=True)
    return [
        ("head", "heads_.*"),
        *((f"layer {layer}", rf".*/encoderblock_{layer}/.*") for layer in layers),
        ("tokenizers", r"octo_transformer/(?!BlockTransformer_0/).*"),
    ]


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
    if array.dtype.kind != "f":
        return array
    rng = np.random.default_rng([seed, zlib.crc32(path.encode()), draw])
    return (array.mean() + array.std() * rng.normal(size=array.shape)).astype(array.dtype)
