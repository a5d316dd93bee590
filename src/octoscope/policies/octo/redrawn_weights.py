"""The parts of an Octo whose weights are drawn anew, from the action head back to the tokenizers."""

from collections.abc import Mapping
from typing import Any


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
