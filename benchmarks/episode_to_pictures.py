"""From an episode to its pictures and film against the pipeline that people write first: `python benchmarks/episode_to_pictures.py`.

Both sides run a policy of octo-small-1.5's size over the same frames and leave, for every step and layer, one picture of every frame of
the window: as recorded, with the mean, the maximum and each head's map of the readout; and a film. The naive side is written from
its description: a jitted forward with all N x N weights sown and copied to the host, a matplotlib figure per step and layer, and a film of
the last layer's files with PyAV; ours makes a film of all layers for each camera, which is more. Ratios are per step after compiling;
nothing is extrapolated to longer episodes. `[STEPS [ROUNDS]]`, 6 and 1 by default.
"""

import dataclasses
import sys
import tempfile
import time
from pathlib import Path

import av
import jax
import matplotlib as mpl
import numpy as np
from alternating import print_machine
from PIL import Image
from serving_step import speaking_policy

import octoscope as osc
from octoscope.policies.bind import bind
from octoscope.policies.octo.checkpoint.checkpoint import Checkpoint

mpl.use("Agg")
import matplotlib.pyplot as plt

BOUND = 12.0
WORDS = "put the carrot on the plate"


class RandomCheckpoint(Checkpoint):
    """A checkpoint without files."""

    def digest(self) -> str:
        """Returns what a run's manifest says instead of a file's digest."""
        return "random"


def recorded(steps: int) -> osc.Episode:
    """Returns an episode of smooth frames with a moving spot."""
    rows, columns = np.mgrid[0:256, 0:256]
    frames = [
        np.stack([rows // 2, columns // 2, 255 * (np.hypot(rows - 80 - 4 * step, columns - 128) < 30)], axis=-1)
        for step in range(steps)
    ]
    images = np.stack(frames).astype(np.uint8)
    return osc.Episode(
        images={"primary": images, "wrist": images[:, ::2, ::2]},
        instruction=WORDS,
        actions=np.zeros((steps, 7), np.float32),
        name="made/train/0",
        dataset="bridge_dataset",
    )


def naive(model: osc.OctoModel, episode: osc.Episode, folder: Path) -> None:
    """Writes the pictures and the film the way it is done first."""
    bound = bind(model, episode)
    layout = bound.layout
    readout = int(layout.select("readout_action", timestep=-1)[0])
    window = [(camera, back) for camera in layout.cameras for back in range(layout.window)]
    patches = {(camera, back): layout.select(f"obs_{camera}", timestep=-1 - back) for camera, back in window}
    for step in range(len(episode)):
        given = model.policy.tensors(bound.at(step))
        _, states = model.act(given.observation, given.tasks, rng=jax.random.PRNGKey(step), watch=True)
        weights = np.asarray(osc.attention_weights(states)[0])
        for layer in range(model.num_layers):
            heads = weights[layer, :, readout]
            maps = {"mean": heads.mean(axis=0), "max": heads.max(axis=0)}
            maps |= {f"head {head}": row for head, row in enumerate(heads)}
            figure, axes = plt.subplots(
                len(patches), len(maps) + 1, figsize=(2.0 * (len(maps) + 1), 2.3 * len(patches))
            )
            for line, ((camera, back), places) in zip(axes, patches.items(), strict=True):
                frame = episode.images[camera][max(0, step - back)]
                side = round(len(places) ** 0.5)
                line[0].imshow(frame)
                for (title, row), axis in zip(maps.items(), line[1:], strict=True):
                    axis.imshow(frame)
                    axis.imshow(
                        row[places].reshape(side, side),
                        cmap="viridis",
                        alpha=0.6,
                        extent=(0, frame.shape[1], frame.shape[0], 0),
                    )
                    axis.set_title(title)
                for axis in line:
                    axis.axis("off")
            figure.suptitle(f"step {step}, layer {layer}")
            figure.savefig(folder / f"step_{step}_layer_{layer}.png")
            plt.close(figure)
    _naive_film(folder, steps=len(episode), layers=model.num_layers)


def _naive_film(folder: Path, *, steps: int, layers: int) -> None:
    with av.open(str(folder / "film.mp4"), "w") as film:
        stream = film.add_stream("libx264", rate=3)
        stream.pix_fmt = "yuv420p"
        for step in range(steps):
            picture = np.asarray(Image.open(folder / f"step_{step}_layer_{layers - 1}.png").convert("RGB"))
            # H.264 takes even sides only.
            picture = picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]
            if step == 0:
                stream.height, stream.width = picture.shape[:2]
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                film.mux(packet)
        for packet in stream.encode():
            film.mux(packet)


def ours(model: osc.OctoModel, episode: osc.Episode, folder: Path, *, compute: str, picture_format: str) -> None:
    """Writes run, pictures and film as `octoscope attend` does."""
    run = osc.attend(model, episode, folder / "run.zarr", options=osc.WatchOptions(compute=compute))
    osc.write_attention_results(run, folder, picture_format=picture_format)


def seconds_per_step(make, model: osc.OctoModel, episode: osc.Episode, **settings: str) -> np.ndarray:
    """Returns the seconds of one whole episode by its steps: by the clock, and in processor time."""
    with tempfile.TemporaryDirectory() as folder:
        start = np.array([time.perf_counter(), time.process_time()])
        make(model, episode, Path(folder), **settings)
        return (np.array([time.perf_counter(), time.process_time()]) - start) / len(episode)


def main(steps: int = 6, rounds: int = 1) -> None:
    """Prints seconds per step and the ratios, medians over alternating rounds."""
    model = speaking_policy()
    model = dataclasses.replace(model, checkpoint=RandomCheckpoint(**vars(model.checkpoint)))
    episode, short = recorded(steps), recorded(2)
    ways = {
        "PNG": {"compute": "exact", "picture_format": "png"},
        "PNG, --compute fast": {"compute": "fast", "picture_format": "png"},
        "JPEG, --compute fast": {"compute": "fast", "picture_format": "jpeg"},
    }
    seconds_per_step(naive, model, short)
    for settings in ways.values():
        seconds_per_step(ours, model, short, **settings)
    print_machine(rounds)
    slow: list[np.ndarray] = []
    took: dict[str, list[np.ndarray]] = {name: [] for name in ways}
    for _ in range(rounds):
        slow.append(seconds_per_step(naive, model, episode))
        for name, settings in ways.items():
            took[name].append(seconds_per_step(ours, model, episode, **settings))
    print(f"{'naive':24s} {np.median(slow, axis=0)[0]:7.3f} s a step")
    for name, times in took.items():
        clock, processor = np.median(np.array(slow) / np.array(times), axis=0)
        print(
            f"{name:24s} {np.median(times, axis=0)[0]:7.3f} s a step   {clock:5.1f} times, bound {BOUND:.0f}"
            f"   {processor:5.1f} in processor time"
        )


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
