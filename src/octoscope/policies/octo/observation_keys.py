"""Which observations a policy's tokenizers read: an example batch may hold more, such as a camera that no tokenizer looks at."""

from collections.abc import Collection, Mapping
from typing import Any

from octoscope.policies.octo.network.lowdim_tokenizer import LowdimObsTokenizer
from octoscope.policies.octo.network.tokenizers import matching_keys


def keys_read(tokenizers: Mapping[str, Any], keys: Collection[str]) -> dict[str, list[str]]:
    """Returns which of some observation keys each tokenizer reads, in the order in which it stacks them.

    Args:
      tokenizers: Observation tokenizers by name.
      keys: Of the observations that there are.
    """
    return {name: _read_by(tokenizer, dict.fromkeys(keys)) for name, tokenizer in tokenizers.items()}


def unread_images(tokenizers: Mapping[str, Any], keys: Collection[str]) -> list[str]:
    """Returns the image keys that no tokenizer reads."""
    read = {key for found in keys_read(tokenizers, keys).values() for key in found}
    return [key for key in keys if key.startswith("image_") and key not in read]


def _read_by(tokenizer: Any, keys: dict[str, Any]) -> list[str]:
    if isinstance(tokenizer, LowdimObsTokenizer):
        return list(dict.fromkeys(key for pattern in tokenizer.obs_keys for key in matching_keys(keys, [pattern])))
    return matching_keys(keys, tokenizer.obs_stack_keys)
