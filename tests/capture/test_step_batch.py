"""Several steps in one forward: what one step gives, to rounding; and runs that are interrupted in the middle of a group."""

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import octoscope as osc
from octoscope.errors import Interrupted, RunError, SelectionError
from octoscope.policies.octo.recording import step_batch, step_recorder
from octoscope.policies.octo.recording.step_batch import GPU_BATCH, choose_batch
from octoscope.runs import run_writer
from octoscope.runs.unfinished import Unfinished
from tiny_policies import head, images, numbers, tiny_episode, tiny_policy

# Stands still in place of writing step `stop` until it is killed, so that the kill lands there however fast the steps are; ends with
# whoever started it.
STAND_STILL = """
import sys, octoscope as osc
from octoscope.runs import run_writer
append, path, stop = run_writer.RunWriter.append_step, sys.argv[1], int(sys.argv[2])

def append_step(self, arrays):
    if self.written == stop:
        print("here", flush=True)
        sys.exit(sys.stdin.read())
    append(self, arrays)

run_writer.RunWriter.append_step = append_step
run_writer.steps_per_shard = lambda _: 3
model, episode = osc.OctoModel.load_pretrained("drawn"), osc.open_episodes("drawn")[0]
osc.attend(model, episode, path, steps=list(range(10)), options=osc.WatchOptions(batch=4, encodings="blocks.final"), resume=True)
"""

POLICIES = {
    "linear": lambda folder: tiny_policy(folder, {"primary": images("image_primary")}),
    "denoised": lambda folder: tiny_policy(
        folder,
        {"primary": images("image_primary")},
        heads={"action": head("DiffusionActionHead", hidden_dim=8, time_dim=8, num_blocks=1, diffusion_steps=3)},
    ),
    "numbers": lambda folder: tiny_policy(
        folder, {"primary": images("image_primary"), "proprio": numbers("proprio")}, lowdim={"proprio": 5}
    ),
}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check_same(one, several):
    assert several.steps == one.steps
    for step in one.steps:
        for group in one.query_groups:
            np.testing.assert_allclose(several.attention(group, step=step), one.attention(group, step=step), atol=1e-5)
        np.testing.assert_array_equal(several.token_pad(step=step), one.token_pad(step=step))
    np.testing.assert_allclose(several.actions, one.actions, atol=5e-5)
    np.testing.assert_array_equal(several.group["frame_index"][:], one.group["frame_index"][:])
    np.testing.assert_array_equal(several.group["timestep_pad_mask"][:], one.group["timestep_pad_mask"][:])


@pytest.mark.parametrize("name", POLICIES)
def test_a_batch_gives_what_each_step_gives(name, tmp_path):
    model = POLICIES[name](tmp_path)
    episode = tiny_episode(steps=6, **({"proprio": 5} if name == "numbers" else {}))
    one, several = (
        osc.attend(model, episode, options=osc.WatchOptions(query_groups=groups, dtype="float32", batch=batch))
        for groups, batch in (("all", 1), ("all", 4))
    )
    assert (one.manifest["batch"], several.manifest["batch"]) == (1, 4)
    check_same(one, several)


def test_steps_in_any_order_layers_and_keys_are_those_asked_for(demo_model, demo_episode):
    steps, asked = [5, 0, 3], {"layers": [1], "key_groups": ["obs_primary"], "dtype": "float32"}
    one, several = (
        osc.attend(demo_model, demo_episode, steps=steps, options=osc.WatchOptions(**asked, batch=batch))
        for batch in (1, 2)
    )
    for step in steps:
        np.testing.assert_allclose(
            several.attention("readout_action", step=step), one.attention("readout_action", step=step), atol=1e-5
        )


def test_encodings_beside_a_batch_are_those_of_one_step(demo_model, demo_episode):
    one, several = (
        osc.attend(
            demo_model, demo_episode, steps=[0, 1, 2], options=osc.WatchOptions(encodings="blocks.final", batch=batch)
        )
        for batch in (1, 2)
    )
    for step in (0, 1, 2):
        np.testing.assert_array_equal(
            several.encoding("blocks.final", step=step), one.encoding("blocks.final", step=step)
        )


def test_the_last_group_and_other_lengths_do_not_compile_again(demo_model, demo_episode):
    compiled: list[str] = []

    def note(event: str, duration: float, **_: object) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(event)

    # Without what other tests have had compiled for it.
    model = dataclasses.replace(demo_model)
    jax.monitoring.register_event_duration_secs_listener(note)
    osc.attend(model, demo_episode, steps=[0, 1, 2, 3], options=osc.WatchOptions(batch=4))
    assert compiled
    first = len(compiled)
    images_ = {camera: frames[:6] for camera, frames in demo_episode.images.items()}
    short = dataclasses.replace(demo_episode, images=images_, actions=None, instruction="pick the red cube up")
    osc.attend(model, short, options=osc.WatchOptions(batch=4))
    assert len(compiled) == first


def test_one_forward_serves_a_group(demo_model, demo_episode, monkeypatch):
    sizes = []
    act = step_batch.StepBatch.act

    def counted(self, model, observations, tasks, keys, *, size):
        sizes.append((len(observations), size))
        return act(self, model, observations, tasks, keys, size=size)

    monkeypatch.setattr(step_batch.StepBatch, "act", counted)
    osc.attend(demo_model, demo_episode, steps=range(6), options=osc.WatchOptions(batch=4))
    assert sizes == [(4, 4), (2, 4)]


def test_an_error_within_a_group_goes_on_to_the_same_bytes(demo_model, demo_episode, tmp_path, monkeypatch):
    asked = {"steps": range(10), "options": osc.WatchOptions(batch=4)}
    osc.attend(demo_model, demo_episode, tmp_path / "whole.zarr", **asked)
    path = tmp_path / "run.zarr"
    append, kept = run_writer.RunWriter.append_step, []
    for stop in (2, 3, 7):
        with monkeypatch.context() as patch:

            def fail(self, arrays, stop=stop):
                if self.written == stop:
                    raise RuntimeError("the power went")
                append(self, arrays)

            patch.setattr(run_writer.RunWriter, "append_step", fail)
            with pytest.raises(RuntimeError, match="the power went"):
                osc.attend(demo_model, demo_episode, path, resume=True, **asked)
        kept.append((Unfinished(path).progress() or (0, 0))[0])
    assert kept == [2, 3, 7]
    with pytest.raises(RunError, match=r"batch was 4, is 1 \(give --batch 4\)"):
        osc.attend(demo_model, demo_episode, path, steps=range(10), resume=True)
    osc.attend(demo_model, demo_episode, path, resume=True, **asked)
    assert files(path) == files(tmp_path / "whole.zarr")


def test_ctrl_c_keeps_the_group_at_hand(demo_model, demo_episode, tmp_path, monkeypatch):
    arrays_of = step_recorder.StepRecorder.arrays_of

    def pressed(self, steps):
        os.kill(os.getpid(), signal.SIGINT)
        return arrays_of(self, steps)

    path = tmp_path / "run.zarr"
    with monkeypatch.context() as patch:
        patch.setattr(step_recorder.StepRecorder, "arrays_of", pressed)
        with pytest.raises(Interrupted, match=r"stopped after step 3\. 4 of 10 steps are kept in .*--resume"):
            osc.attend(demo_model, demo_episode, path, steps=range(10), options=osc.WatchOptions(batch=4))
    assert osc.attend(
        demo_model, demo_episode, path, steps=range(10), options=osc.WatchOptions(batch=4), resume=True
    ).steps == tuple(range(10))


def test_a_killed_job_goes_on_to_the_same_bytes(demo_model, demo_episode, tmp_path, monkeypatch):
    monkeypatch.setattr(run_writer, "steps_per_shard", lambda _: 3)
    asked = {"steps": list(range(10)), "options": osc.WatchOptions(batch=4, encodings="blocks.final")}
    osc.attend(demo_model, demo_episode, tmp_path / "whole.zarr", **asked)
    path = tmp_path / "run.zarr"
    for kept in (2, 7):
        command = [sys.executable, "-c", STAND_STILL, path, str(kept)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as job:
            assert job.stdout.readline() == "here\n"
            job.kill()
        assert job.returncode == -signal.SIGKILL
        assert Unfinished(path).progress() == (kept, 10)
    osc.attend(demo_model, demo_episode, path, resume=True, **asked)
    assert files(path) == files(tmp_path / "whole.zarr")


def test_the_device_chooses(demo_model, monkeypatch):
    assert choose_batch(demo_model, None, compute="exact") == 1
    monkeypatch.setattr(step_batch, "device_name", lambda _: "gpu NVIDIA H100")
    assert choose_batch(demo_model, None, compute="exact") == GPU_BATCH
    assert choose_batch(demo_model, None, compute="fast") == 1
    assert choose_batch(demo_model, 1, compute="exact") == 1


def test_what_does_not_go_together_is_refused(demo_model, demo_episode):
    with pytest.raises(SelectionError, match="`batch` must be at least 1, got 0"):
        osc.attend(demo_model, demo_episode, steps=[0], options=osc.WatchOptions(batch=0))
    with pytest.raises(SelectionError, match="`batch` 4 does not go with `compute` 'fast'"):
        osc.attend(demo_model, demo_episode, steps=[0, 1, 2, 3], options=osc.WatchOptions(batch=4, compute="fast"))
