"""Statistics of the training data: what cannot be right is refused by name wherever it is used, what can be mended is mended and said."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest

import octoscope as osc
from octoscope.embedded.files import policy_directory
from octoscope.errors import CheckpointError, ConfigError, SelectionError
from octoscope.policies.normalization_type import NormalizationType
from octoscope.policies.octo.action_normalization import unnormalize_actions
from octoscope.policies.octo.checkpoint.normalization_type import normalization_type
from octoscope.policies.octo.checkpoint.statistics import find_statistics, read_statistics, statistics_faults
from octoscope.policies.octo.checkup import examine_checkpoint
from official_files import SHARED

NAN, SEVEN = float("nan"), [0.5] * 7
DATASET = "drawn_table"
# By name: the action's statistics, how they were used, and what is said of them.
WRONG = {
    "a number": (
        {"mean": 0.25, "std": 0.25},
        "normal",
        "`mean` must be a list with one entry per dimension, got a single value, 0.25",
    ),
    "two rows": ({"mean": [SEVEN] * 2, "std": SEVEN}, "normal", r"`mean` must be a list .* got shape \(2, 7\)"),
    "a column": ({"mean": [[0.5]] * 7, "std": SEVEN}, "normal", r"got shape \(7, 1\)"),
    "nothing": ({"mean": [], "std": []}, "normal", "`mean` is empty"),
    "NaN": ({"mean": SEVEN, "std": [NAN] * 7}, "normal", "`std` must be finite, but 7 of its 7 numbers are not"),
    "infinity": ({"mean": [*SEVEN[:6], float("inf")], "std": SEVEN}, "normal", "`mean` must be finite, but 1 of its 7"),
    "beyond float32": ({"mean": SEVEN, "std": [1e300] * 7}, "normal", "`std` must be finite"),
    "beyond float64": ({"mean": [10**400] * 7, "std": SEVEN}, "normal", "`mean` must hold numbers"),
    "null": ({"mean": [None] * 7, "std": SEVEN}, "normal", r"`mean` must hold numbers, got \[None"),
    "null for all": ({"mean": None, "std": SEVEN}, "normal", "`mean` must be a list"),
    "texts": ({"mean": ["0.5"] * 7, "std": SEVEN}, "normal", r"`mean` must hold numbers, got \['0.5'"),
    "truths": ({"mean": [True] * 7, "std": SEVEN}, "normal", "`mean` must hold numbers"),
    "other lengths": ({"mean": SEVEN, "std": SEVEN[:6]}, "normal", "`std` has length 6, `mean` has length 7"),
    "negative": ({"mean": SEVEN, "std": [-1.0] * 7}, "normal", "`std` must not be negative, got -1.0"),
    "short mask": (
        {"mean": SEVEN, "std": SEVEN, "mask": [True] * 6},
        "normal",
        "`mask` has length 6, `mean` has length 7",
    ),
    "mask of numbers": ({"mean": SEVEN, "std": SEVEN, "mask": SEVEN}, "normal", "`mask` must hold true and false"),
    "mask of texts": (
        {"mean": SEVEN, "std": SEVEN, "mask": ["false"] * 7},
        "normal",
        "`mask` must hold true and false",
    ),
    "only quantiles": (
        {"q01": SEVEN, "q99": SEVEN},
        "normal",
        "they lack `mean` and `std`, which 'normal' needs, and hold q01, q99",
    ),
    "other names": ({"q01": SEVEN, "q99": SEVEN}, "bounds", "another program's names for `p01` and `p99`"),
    "no bounds": (
        {"mean": SEVEN, "std": SEVEN},
        "bounds",
        "they lack `p01` and `p99`, which 'bounds' needs, and hold mean, std",
    ),
    "one bound": ({"p01": SEVEN, "std": SEVEN}, "bounds", "they lack `p99`"),
    "crossed bounds": ({"p01": [1.0] * 7, "p99": SEVEN}, "bounds", "`p01` lies above `p99`"),
    "NaN bounds": ({"p01": SEVEN, "p99": [NAN] * 7}, "bounds", "`p99` must be finite"),
    "no object": (SEVEN, "normal", "they must be an object with `mean` and `std`, not"),
}


def config_of(kind):
    return {"dataset_kwargs": {"name": DATASET, "action_proprio_normalization_type": kind}}


def with_statistics(model, action, kind="normal"):
    """The policy with other action statistics, as read from a file."""
    checkpoint = dataclasses.replace(
        model.checkpoint,
        config={**model.config, **config_of(kind)},
        dataset_statistics=_read({DATASET: {"action": action}}),
    )
    return dataclasses.replace(model, checkpoint=checkpoint)


def _read(tree, folder=None):
    return {key: _read(entry) for key, entry in tree.items()} if isinstance(tree, dict) else np.array(tree)


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "policy"
    shutil.copytree(policy_directory("drawn"), folder)
    return folder


@pytest.mark.parametrize(("action", "kind", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_right_is_refused_by_model_policy_and_attend(demo_model, demo_episode, action, kind, said):
    model = with_statistics(demo_model, action, kind)
    for use in (
        lambda: model.action_statistics(DATASET),
        lambda: osc.Policy(model, instruction="pick up", dataset=DATASET),
        lambda: osc.attend(model, demo_episode, steps=[0]),
    ):
        with pytest.raises(CheckpointError, match=said) as error:
            use()
        assert f"The action statistics of '{DATASET}' in dataset_statistics.json cannot be used" in str(error.value)


@pytest.mark.parametrize(("action", "kind", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_right_is_refused_in_python(action, kind, said):
    if isinstance(action, dict):
        with pytest.raises(ValueError, match=said):
            unnormalize_actions(np.zeros((4, 7), np.float32), _read(action), NormalizationType(kind))


@pytest.mark.parametrize("field", ["action", "proprio"])
def test_the_checkup_finds_it(tmp_path, monkeypatch, field):
    # Without what takes time: the parameters, and building the policy.
    monkeypatch.setattr("octoscope.policies.octo.checkup._look_at_policy", lambda *_: None)
    folder = tmp_path / "policy"
    shutil.copytree(policy_directory("drawn"), folder, ignore=shutil.ignore_patterns("0", "demo-words", "*.msgpack"))
    for action, kind, said in WRONG.values():
        entry = {"action": {"mean": SEVEN, "std": SEVEN, "p01": SEVEN, "p99": SEVEN}, field: action}
        (folder / "dataset_statistics.json").write_text(json.dumps({DATASET: entry}))
        config = json.loads((policy_directory("drawn") / "config.json").read_text()) | config_of(kind)
        (folder / "config.json").write_text(json.dumps(config))
        checkup = examine_checkpoint(folder)
        # This policy takes no proprioception: what is wrong with it does no harm.
        told = checkup.problems if field == "action" else checkup.notes
        assert any(field in line and re.search(said, line) for line in told), (said, told)
        assert not any("Not foreseen" in problem for problem in checkup.problems)


def test_a_leading_axis_of_one_is_left_out_and_said(checkpoint, demo_model):
    good = {"mean": [0.1 * i for i in range(7)], "std": SEVEN, "mask": [True] * 6 + [False]}
    padded = {key: [value] for key, value in good.items()}
    plain, mended = (with_statistics(demo_model, entry).action_statistics(DATASET) for entry in (good, padded))
    assert all(np.array_equal(plain[key], mended[key]) and plain[key].shape == (7,) for key in good)
    actions = np.random.default_rng(0).normal(size=(4, 7)).astype(np.float32)
    assert np.array_equal(unnormalize_actions(actions, plain), unnormalize_actions(actions, _read(padded)))
    (checkpoint / "dataset_statistics.json").write_text(json.dumps({DATASET: {"action": padded}}))
    checkup = examine_checkpoint(checkpoint)
    assert checkup.ok
    assert (
        f"action statistics of '{DATASET}': mean, std, mask have a leading axis of 1, which is left out"
        in checkup.notes
    )


def test_a_fault_that_no_policy_needs_is_a_note(checkpoint):
    action = {"mean": SEVEN, "std": SEVEN, "p01": [NAN] * 7, "max": SEVEN[:5]}
    (checkpoint / "dataset_statistics.json").write_text(json.dumps({DATASET: {"action": action}}))
    checkup = examine_checkpoint(checkpoint)
    assert checkup.ok
    assert f"action statistics of '{DATASET}', not needed by this policy: `max` has length 5, not 7" in checkup.notes
    assert any("`p01` must be finite" in note for note in checkup.notes)


def test_bounds_need_no_mean(demo_model, demo_episode):
    low, high = np.arange(7.0) - 4, np.arange(7.0)
    model = with_statistics(demo_model, {"p01": low.tolist(), "p99": high.tolist()}, "bounds")
    run = osc.attend(model, demo_episode, steps=[0])
    normalized = np.asarray(run.group["actions"][0])
    robot = np.asarray(run.group["actions_robot"][0])
    np.testing.assert_allclose(robot, (normalized + 1) / 2 * 4 + low, rtol=1e-5, atol=1e-5)


def test_a_robot_of_fewer_dimensions_gets_its_own(checkpoint, demo_model):
    entry = {"mean": SEVEN[:6], "std": SEVEN[:6]}
    assert with_statistics(demo_model, entry).action_statistics(DATASET)["mask"].tolist() == [True] * 6
    (checkpoint / "dataset_statistics.json").write_text(json.dumps({DATASET: {"action": entry}}))
    assert (
        f"the robot of '{DATASET}' has the first 6 of the head's 7 action dimensions"
        in examine_checkpoint(checkpoint).notes
    )
    with pytest.raises(ValueError, match="are of 7 dimensions, the actions have 6"):
        unnormalize_actions(np.zeros((4, 6)), {"mean": SEVEN, "std": SEVEN})


def test_a_dataset_that_is_named_without_actions(demo_model, checkpoint):
    checkpoint_ = dataclasses.replace(
        demo_model.checkpoint, dataset_statistics={"bridge_dataset": {"num_transitions": 3}}
    )
    model = dataclasses.replace(demo_model, checkpoint=checkpoint_)
    with pytest.raises(SelectionError) as error:
        osc.Policy(model, instruction="put it there")
    assert str(error.value) == (
        "The policy has no action statistics of 'bridge_dataset'. dataset_statistics.json names that dataset, but holds of it: "
        "num_transitions. It has none of any dataset."
    )


def test_another_datasets_fault_does_no_harm(demo_model):
    known = _read({"good": {"action": {"mean": SEVEN, "std": SEVEN}}, "bad": {"action": {"mean": SEVEN}}})
    good = find_statistics(known, "good", "action", config={})
    assert good is not None
    assert good["mask"].tolist() == [True] * 7
    assert find_statistics(known, "unknown", "action", config=config_of("no way")) is None


@pytest.mark.parametrize(
    "written", ["bounds", "BOUNDS", "NormalizationType.BOUNDS", "<NormalizationType.BOUNDS: 'bounds'>"]
)
def test_every_spelling_of_bounds(written):
    assert normalization_type(config_of(written)) == NormalizationType.BOUNDS
    assert (
        normalization_type({"dataset_kwargs": {"dataset_kwargs_list": [config_of(written)]}})
        == NormalizationType.BOUNDS
    )


@pytest.mark.parametrize(
    "written", ["bounds_q99", "outbounds", "normalised", "", 1, ["bounds"], {"name": "bounds"}, False]
)
def test_an_unknown_normalisation_is_not_taken_for_normal(checkpoint, monkeypatch, written):
    monkeypatch.setattr("octoscope.policies.octo.checkup._look_at_policy", lambda *_: None)
    with pytest.raises(ConfigError, match=r"Known: 'normal', 'bounds'"):
        normalization_type(config_of(written))
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps(config | config_of(written)))
    assert any("Known: 'normal', 'bounds'" in problem for problem in examine_checkpoint(checkpoint).problems)


def test_two_normalisations_are_refused():
    kinds = [config_of("bounds"), config_of("normal")]
    with pytest.raises(ConfigError, match="name several ways of normalisation"):
        normalization_type({"dataset_kwargs": {"dataset_kwargs_list": kinds}})


def test_what_is_read_of_dataset_kwargs_is_said(checkpoint):
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps(config | config_of("normal")))
    checkup = examine_checkpoint(checkpoint)
    assert checkup.facts["actions normalised by"] == "normal"
    assert "config.json, dataset_kwargs: only action_proprio_normalization_type is read" in checkup.notes
    assert not any("training only, not read" in note and "dataset_kwargs" in note for note in checkup.notes)


def test_the_cases_of_files(demo_model):
    folder = SHARED / "cases" / "16-statistics"
    if not folder.is_dir():
        pytest.skip("needs the files of the cases")
    right = {"16k-6-dims-for-head-7", "16m"}
    for file in sorted(path for path in folder.glob("*.json") if not path.name.endswith(".config.json")):
        entry = json.loads(file.read_text())["bridge_dataset"].get("action")
        settings = file.with_suffix(".config.json")
        config = json.loads(settings.read_text()) if settings.is_file() else {}
        try:
            faults = entry is not None and statistics_faults(_read(entry), normalization_type(config))
        except ConfigError as error:
            faults = str(error)
        assert bool(faults) == (file.stem not in right), file.stem


@pytest.mark.parametrize(
    "content", ["[1]", '{"a": 1}', '{"a": {"action": {"mean": [[1], [1, 2]]}}}', "[" * 100_000, "1" * 5000, "{"]
)
def test_a_file_that_is_no_tree_of_numbers(tmp_path, content):
    (tmp_path / "dataset_statistics.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"dataset_statistics\.json"):
        read_statistics(tmp_path)
