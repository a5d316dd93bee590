"""features.json: what each value of an RLDS step is and how it is stored, read and written.

TFDS describes an episode as a tree of FeaturesDict nodes with one Dataset node, "steps"; a tf.train.Example stores
the leaves under their path ("steps/observation/state"), the values of all steps end to end.
"""

import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from octoscope.errors import EpisodeError

_CLASSES = "tensorflow_datasets.core.features."
_ENCODINGS = ("none", "bytes", "zlib")
_TEXT_DTYPES = ("string", "object")
# The longest axis that NumPy takes.
_LONGEST = 2**63 - 1


@dataclass(frozen=True)
class Feature:
    """One leaf of the tree: a value that each step (or the whole episode) has."""

    # "image", "text" or "tensor".
    kind: str
    # Of one value, without the axis of steps; -1 where the length is not fixed.
    shape: tuple[int, ...]
    # As NumPy names it; stored as float32, int64 or bytes whatever it is.
    dtype: str
    # Tensors only: "none", or "bytes" or "zlib" where the raw bytes are stored.
    encoding: str = "none"


def parse_features(tree: Any) -> dict[str, Feature]:
    """Returns the leaves of a parsed features.json by their path.

    Leaves of other kinds (video, audio, boxes) are left out; their stored values speak for themselves.

    Raises:
      EpisodeError: If the tree is not in the form that TFDS writes.

    Example:
      >>> features = {"steps/observation/state": Feature("tensor", (7,), "float32")}
      >>> parse_features(features_tree(features)) == features
      True
    """
    try:
        # Asked for by name: older TFDS wrote the same tree under other names, of which no leaf would be found.
        return dict(_leaves({"featuresDict": tree["featuresDict"]}, path=""))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise EpisodeError(
            f"features.json is not in the form that TFDS writes ({type(error).__name__}: {error}). "
            "Move the file away to have the shapes inferred, or write the dataset again with a newer TFDS."
        ) from error


def features_tree(features: Mapping[str, Feature]) -> dict[str, Any]:
    """Returns the features.json tree of the leaves, "steps" a Dataset and every other inner node a FeaturesDict."""
    children: dict[str, dict[str, Feature]] = {}
    for path, feature in features.items():
        name, _, rest = path.partition("/")
        children.setdefault(name, {})[rest] = feature
    nodes = {name: _leaf(leaves[""]) if "" in leaves else _branch(name, leaves) for name, leaves in children.items()}
    return {"pythonClassName": f"{_CLASSES}features_dict.FeaturesDict", "featuresDict": {"features": nodes}}


def _leaves(node: Any, *, path: str) -> Iterator[tuple[str, Feature]]:
    if not isinstance(node, Mapping):
        raise TypeError(f"'{path}' is {reprlib.repr(node)}, which describes nothing")
    if "featuresDict" in node:
        for name, child in node["featuresDict"]["features"].items():
            yield from _leaves(child, path=f"{path}/{name}" if path else name)
    elif "sequence" in node:
        yield from _leaves(node["sequence"]["feature"], path=path)
    elif "text" in node:
        yield path, Feature("text", (), "string")
    elif "classLabel" in node:
        yield path, Feature("tensor", (), "int64")
    elif "image" in node:
        # Old files say no dtype: images were uint8 then.
        yield path, Feature("image", _shape(node["image"], path), _dtype(node["image"].get("dtype", "uint8"), path))
    elif "tensor" in node:
        dtype = _dtype(node["tensor"]["dtype"], path)
        encoding = node["tensor"].get("encoding", "none")
        if encoding not in _ENCODINGS:
            raise ValueError(f"'{path}' is encoded as {reprlib.repr(encoding)}; known are {', '.join(_ENCODINGS)}")
        kind = "text" if dtype in _TEXT_DTYPES else "tensor"
        yield path, Feature(kind, _shape(node["tensor"], path), dtype, encoding)


def _shape(content: Mapping[str, Any], path: str) -> tuple[int, ...]:
    # Protobuf's JSON writes int64 as strings, and nothing at all for the empty shape of a scalar.
    dimensions = content.get("shape", {}).get("dimensions", [])
    lengths = [length for length in dimensions if isinstance(length, int | str) and not isinstance(length, bool)]
    if not isinstance(dimensions, list) or len(lengths) < len(dimensions):
        raise TypeError(f"'{path}' has the shape {reprlib.repr(dimensions)}, which is no list of lengths")
    shape = tuple(int(length) for length in lengths)
    if any(not -1 <= length <= _LONGEST for length in shape):
        raise ValueError(f"'{path}' has the shape {shape}; a length is 0 or more, or -1 where it is open")
    return shape


def _dtype(dtype: Any, path: str) -> str:
    if not isinstance(dtype, str):
        raise TypeError(f"'{path}' has the dtype {reprlib.repr(dtype)}, which is no name")
    return dtype


def _branch(name: str, leaves: Mapping[str, Feature]) -> dict[str, Any]:
    inner = features_tree(leaves)
    if name != "steps":
        return inner
    return {"pythonClassName": f"{_CLASSES}dataset_feature.Dataset", "sequence": {"feature": inner, "length": "-1"}}


def _leaf(feature: Feature) -> dict[str, Any]:
    shape = {"dimensions": [str(length) for length in feature.shape]} if feature.shape else {}
    if feature.kind == "text":
        return {"pythonClassName": f"{_CLASSES}text_feature.Text", "text": {}}
    if feature.kind == "image":
        content = {"shape": shape, "dtype": feature.dtype, "encodingFormat": "png"}
        return {"pythonClassName": f"{_CLASSES}image_feature.Image", "image": content}
    content = {"shape": shape, "dtype": feature.dtype, "encoding": feature.encoding}
    name = "tensor_feature.Tensor" if feature.shape else "scalar.Scalar"
    return {"pythonClassName": f"{_CLASSES}{name}", "tensor": content}
