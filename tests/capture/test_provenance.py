"""What a run says of how its numbers were computed, and that it is what they depend on."""

import os
import subprocess
import sys

import numpy as np
import pytest

import octoscope as osc
from octoscope.capture import provenance

ATTEND = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import octoscope as osc
model, episode = osc.OctoModel.load_pretrained("drawn"), osc.open_episodes("drawn")[0]
osc.attend(model, episode, sys.argv[1], steps=[0, 3], options=osc.WatchOptions(dtype="float32"))
"""


def test_the_manifest_says_what_numbers_depend_on(demo_run):
    manifest = demo_run.manifest
    assert manifest["batch"] == 1
    if manifest["device"] == "cpu":
        assert manifest["threads"] == provenance.cpu_threads() >= 1
        assert manifest["processor"].split()[0] == os.uname().machine


def test_threads_are_those_that_the_environment_names_and_else_the_cores_of_this_process(monkeypatch):
    count = provenance.cpu_threads.__wrapped__
    monkeypatch.setenv("NPROC", "7")
    assert count() == 7
    monkeypatch.setenv("NPROC", "")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3, 4}, raising=False)
    assert count() == 3


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes cannot be bound to a core here")
def test_one_core_that_computes_with_as_many_threads_gives_the_same_bytes(demo_model, demo_episode, tmp_path):
    here = osc.attend(
        demo_model, demo_episode, tmp_path / "here.zarr", steps=[0, 3], options=osc.WatchOptions(dtype="float32")
    )
    if here.manifest["device"] != "cpu":
        pytest.skip("the tests run on a GPU")
    environment = {**os.environ, "NPROC": str(provenance.cpu_threads())}
    done = subprocess.run(
        [sys.executable, "-c", ATTEND, tmp_path / "one.zarr"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    one = osc.Run.open(tmp_path / "one.zarr")
    assert one.manifest == here.manifest
    np.testing.assert_array_equal(one.actions, here.actions)
    for step in (0, 3):
        np.testing.assert_array_equal(
            one.attention("readout_action", step=step), here.attention("readout_action", step=step)
        )
