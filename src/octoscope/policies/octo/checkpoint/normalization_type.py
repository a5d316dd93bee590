"""How a dataset's actions and proprioception were normalised for training, as a checkpoint's config says."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from octoscope.errors import ConfigError
from octoscope.policies.normalization_type import NormalizationType

# Entries of a config's `dataset_kwargs`: how numbers were normalised, and the field that was the proprioception.
NORMALIZATION_ENTRY = "action_proprio_normalization_type"
PROPRIO_ENTRY = "proprio_obs_key"


def normalization_type(config: Mapping[str, Any]) -> NormalizationType:
    """Returns how the checkpoint's config says that actions and proprioception were normalised; normal where it says nothing.

    Raises:
      ConfigError: If it names a way that is not known, or several.

    >>> normalization_type({"dataset_kwargs": {"oxe_kwargs": {"action_proprio_normalization_type": "bounds"}}}).value
    'bounds'
    """
    named = dict.fromkeys(
        _normalization_type(value) for value in find_entries(config.get("dataset_kwargs"), NORMALIZATION_ENTRY)
    )
    if len(named) > 1:
        raise ConfigError(
            f"The config's `dataset_kwargs` name several ways of normalisation ({', '.join(named)}), and octoscope cannot tell "
            f"whose is whose. Leave one `{NORMALIZATION_ENTRY}` in config.json: that of the dataset you use."
        )
    return next(iter(named), NormalizationType.NORMAL)


def _normalization_type(value: Any) -> NormalizationType:
    # Some configs hold the enum's name as text: "NormalizationType.BOUNDS", or "<NormalizationType.BOUNDS: 'bounds'>".
    match = re.fullmatch(r"<?(?:normalizationtype\.)?(normal|bounds)(?:: '\1'>)?", str(value).strip().lower())
    if match is None or not isinstance(value, str):
        raise ConfigError(
            f"The config's `dataset_kwargs` say that actions were normalised as {value!r} (`{NORMALIZATION_ENTRY}`), which "
            "octoscope does not know, so that it cannot bring them to the robot's units. Known: 'normal', 'bounds'."
        )
    return NormalizationType(match[1])


def find_entries(tree: Any, name: str) -> Iterator[Any]:
    """Returns the values of that name at any depth of a config, but for null.

    >>> list(find_entries({"a": [{"key": 1}], "key": None}, "key"))
    [1]
    """
    children = tree.items() if isinstance(tree, Mapping) else enumerate(tree) if isinstance(tree, list | tuple) else ()
    for key, value in children:
        if key == name and isinstance(tree, Mapping):
            if value is not None:
                yield value
        else:
            yield from find_entries(value, name)
