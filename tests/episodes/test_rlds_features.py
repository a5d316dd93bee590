import json

import pytest

from octoscope.episodes.rlds_features import Feature, features_tree, parse_features
from octoscope.errors import EpisodeError

FEATURES = {
    "steps/action": Feature("tensor", (7,), "float32"),
    "steps/is_first": Feature("tensor", (), "bool"),
    "steps/language_instruction": Feature("text", (), "string"),
    "steps/observation/image": Feature("image", (64, 48, 3), "uint8"),
    "steps/observation/present/xyz": Feature("tensor", (3,), "float64", "zlib"),
    "episode_metadata/episode_id": Feature("tensor", (), "int32"),
}


def leaf(**content: object) -> dict[str, object]:
    return {"featuresDict": {"features": {"x": content}}}


def test_round_trip_through_json() -> None:
    assert parse_features(json.loads(json.dumps(features_tree(FEATURES)))) == FEATURES


def test_tree_has_the_classes_of_tfds() -> None:
    steps = features_tree(FEATURES)["featuresDict"]["features"]["steps"]
    assert steps["pythonClassName"] == "tensorflow_datasets.core.features.dataset_feature.Dataset"
    assert steps["sequence"]["length"] == "-1"
    action = steps["sequence"]["feature"]["featuresDict"]["features"]["action"]
    assert action == {
        "pythonClassName": "tensorflow_datasets.core.features.tensor_feature.Tensor",
        "tensor": {"shape": {"dimensions": ["7"]}, "dtype": "float32", "encoding": "none"},
    }


def test_other_leaves() -> None:
    assert parse_features(leaf(tensor={"shape": {}, "dtype": "string"}))["x"].kind == "text"
    assert parse_features(leaf(classLabel={"numClasses": "3"}))["x"] == Feature("tensor", (), "int64")
    assert parse_features(leaf(image={}))["x"] == Feature("image", (), "uint8")
    assert parse_features(leaf(tensor={"shape": {"dimensions": ["-1", "3"]}, "dtype": "int32"}))["x"].shape == (-1, 3)
    sequence = leaf(sequence={"feature": {"tensor": {"shape": {}, "dtype": "int32"}}, "length": "-1"})
    assert parse_features(sequence)["x"] == Feature("tensor", (), "int32")
    assert parse_features(leaf(audio={})) == {}


@pytest.mark.parametrize(
    "tree",
    [{}, [], {"type": "FeaturesDict", "content": "{}"}, {"featuresDict": {"features": []}}, leaf(tensor={"shape": {}})],
)
def test_other_forms_are_refused(tree: object) -> None:
    with pytest.raises(EpisodeError, match="Move the file away"):
        parse_features(tree)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"tensor": {"shape": {"dimensions": ["-3"]}, "dtype": "int32"}}, r"'x' has the shape \(-3,\)"),
        ({"tensor": {"shape": {"dimensions": ["9" * 30]}, "dtype": "int32"}}, "'x' has the shape"),
        ({"tensor": {"shape": {"dimensions": "12"}, "dtype": "int32"}}, "'x' has the shape '12', which is no list"),
        ({"tensor": {"shape": {"dimensions": [3.7]}, "dtype": "int32"}}, "which is no list of lengths"),
        ({"tensor": {"shape": {}, "dtype": ["int32"]}}, "which is no name"),
        ({"tensor": {"shape": {}, "dtype": "int32", "encoding": "zstd"}}, "'x' is encoded as 'zstd'; known are none"),
    ],
)
def test_values_that_cannot_be_are_named(content: dict[str, object], message: str) -> None:
    with pytest.raises(EpisodeError, match=message):
        parse_features(leaf(**content))


def test_a_node_that_is_no_node_is_named() -> None:
    with pytest.raises(EpisodeError, match="'x' is 'tensor', which describes nothing"):
        parse_features({"featuresDict": {"features": {"x": "tensor"}}})
