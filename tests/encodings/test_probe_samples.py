"""Samples of probes: each patch with its own encoding, label, episode and frame, from runs written by hand."""

import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

from octoscope.encodings.patch_encodings import PatchEncodings
from octoscope.encodings.probe_samples import probe_samples
from octoscope.errors import SelectionError
from octoscope.runs.run import Run
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.token_source import TokenSource

# Object 1, object 2 and the gripper (3), each on a patch of its own; the fourth patch is empty.
MASK = np.array([[1, 1, 2, 2], [1, 1, 2, 2], [0, 0, 3, 3], [0, 0, 3, 3]], np.uint8)


def run_with_masks(times, *, named=2, without=()):
    layout = TokenLayout.assemble(
        [], [("obs_primary", 4, TokenSource("image", ("image_primary",), grid=(2, 2)))], window=1
    )
    group = zarr.group(MemoryStore())
    stored = {
        "masks/primary": np.stack([MASK] * times),
        "target_id": np.full(times, named, np.uint8),
        "object_color": np.tile(np.uint8([4, 5]), (times, 1)),
        "object_shape": np.tile(np.uint8([0, 1]), (times, 1)),
    }
    for name, values in stored.items():
        if name not in without:
            group.create_array(name, data=values)
    return Run(group, {"episode": "by/hand"}, layout)


def encodings_of(steps, number):
    """Two depths; each vector says depth, episode, step and patch."""
    values = np.zeros((2, len(steps), 1, 2, 2, 4), np.float32)
    for depth, place, row, column in np.ndindex(2, len(steps), 2, 2):
        values[depth, place, 0, row, column] = [depth, number, steps[place], 2 * row + column]
    shape = (len(steps), 1)
    times = np.array(steps).reshape(shape)
    return PatchEncodings(
        "primary",
        "obs_primary",
        ("input", "block 0"),
        values,
        tuple(steps),
        np.ones(shape, bool),
        times,
        (0.0, 0.0, 4.0, 4.0),
    )


def test_each_sample_is_one_patch_with_all_that_is_its_own():
    steps = [[0, 1, 2], [1, 3], [0]]
    samples = probe_samples(
        [run_with_masks(4) for _ in steps], [encodings_of(each, number) for number, each in enumerate(steps)]
    )
    for depth, name in enumerate(("input", "block 0")):
        found = samples.features[name]
        assert (found[:, 0] == depth).all()
        assert (found[:, 1] == samples.episodes).all()
        assert found[:, 2].tolist() == np.repeat([0, 1, 2, 1, 3, 0], 4).tolist()
        assert found[:, 3].tolist() == [0, 1, 2, 3] * 6
    assert samples.frames.tolist() == np.repeat(np.arange(6), 4).tolist()
    assert (samples.features["position"].argmax(axis=1) == samples.features["input"][:, 3]).all()
    labels = {name: each[:4].tolist() for name, each in samples.labels.items()}
    assert labels == {"thing": [1, 1, 0, 2], "named": [0, 1, -1, -1], "color": [4, 5, -1, -1], "shape": [0, 1, -1, -1]}


def test_first_steps_alone():
    encodings = [encodings_of([0, 1, 2], number) for number in range(3)]
    samples = probe_samples([run_with_masks(3)] * 3, encodings, first_steps=1)
    assert samples.episodes.tolist() == np.repeat([0, 1, 2], 4).tolist()
    assert (samples.features["input"][:, 2] == 0).all()
    assert {len(each) for each in samples.labels.values()} == {12}


def test_scores_leave_out_what_has_one_class():
    encodings = [encodings_of([0, 1], number) for number in range(4)]
    scores = probe_samples([run_with_masks(2, named=0)] * 4, encodings).scores(shuffles=0)
    assert set(scores) == {"thing", "color", "shape"}
    # What a patch shows is given by its number, in every depth and by its place.
    assert scores["color"]["block 0"].accuracy == scores["color"]["position"].accuracy == 1.0


@pytest.mark.parametrize("missing", ["masks/primary", "object_shape"])
def test_a_run_that_does_not_say_what_it_shows_is_refused(missing):
    with pytest.raises(SelectionError, match=missing):
        probe_samples([run_with_masks(2, without=[missing])], [encodings_of([0], 0)])
