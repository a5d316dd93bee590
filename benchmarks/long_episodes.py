"""How much memory a long episode costs: `python benchmarks/long_episodes.py [FORMAT ...]`.

Two steps are captured with the small embedded policy from an episode of 10 frames of 720p and from one of 300, each in a process of its
own, to disk. Frames are decoded when they are asked for: the peak may grow by 150 MB, where the frames alone are 829 MB.
Formats: rlds (JPEG), lerobot (H.264; needs pyarrow), hdf5 (needs h5py).
"""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

BOUND = 150
HEIGHT, WIDTH = 720, 1280


def frame(time: int) -> np.ndarray:
    """Returns a picture that moves and does not compress to nothing."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([(rows + time) % 256, (columns + 2 * time) % 256, (rows * columns // 97 + time) % 256], -1).astype(
        np.uint8
    )


def write_rlds(folder: Path, steps: int) -> Path:
    """Writes JPEGs into one record, as most of Open X-Embodiment is stored."""
    import simplejpeg

    from octoscope.episodes.tf_example import encode_example
    from octoscope.episodes.tfrecord import write_tfrecord

    folder.mkdir()
    example = {
        "steps/is_first": np.eye(1, steps, dtype=np.int64)[0],
        "steps/language_instruction": [b"lift the cup"] * steps,
        "steps/observation/image": [simplejpeg.encode_jpeg(frame(time), quality=90) for time in range(steps)],
    }
    write_tfrecord(folder / "long-train.tfrecord-00000-of-00001", [encode_example(example)])
    split = {"name": "train", "shardLengths": ["1"]}
    (folder / "dataset_info.json").write_text(json.dumps({"name": "long", "fileFormat": "tfrecord", "splits": [split]}))
    return folder


def write_lerobot(folder: Path, steps: int) -> Path:
    """Writes one video, as LeRobot 2.1 does."""
    import av
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name in ("meta", "data/chunk-000", "videos/chunk-000/observation.images.top"):
        (folder / name).mkdir(parents=True)
    with av.open(folder / "videos/chunk-000/observation.images.top/episode_000000.mp4", "w") as container:
        stream = container.add_stream("h264", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for time in range(steps):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame(time), format="rgb24")))
        container.mux(stream.encode())
    index = np.arange(steps)
    zeros = np.zeros(steps, np.int64)
    columns = {
        "frame_index": index,
        "episode_index": zeros,
        "task_index": zeros,
        "timestamp": (index / 10).astype(np.float32),
    }
    pq.write_table(pa.table(columns), folder / "data/chunk-000/episode_000000.parquet")
    features = {name: {"dtype": str(column.dtype), "shape": [1], "names": None} for name, column in columns.items()}
    features["observation.images.top"] = {
        "dtype": "video",
        "shape": [HEIGHT, WIDTH, 3],
        "names": ["height", "width", "channels"],
    }
    info = {
        "codebase_version": "v2.1",
        "fps": 10,
        "chunks_size": 1000,
        "splits": {"train": "0:1"},
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
        "features": features,
    }
    (folder / "meta/info.json").write_text(json.dumps(info))
    (folder / "meta/tasks.jsonl").write_text(json.dumps({"task_index": 0, "task": "lift the cup"}))
    (folder / "meta/episodes.jsonl").write_text(
        json.dumps({"episode_index": 0, "tasks": ["lift the cup"], "length": steps})
    )
    return folder


def write_hdf5(folder: Path, steps: int) -> Path:
    """Writes raw pictures, as robomimic does."""
    import h5py

    with h5py.File(folder.with_suffix(".hdf5"), "w") as file:
        demo = file.create_group("data/demo_0")
        demo.attrs["ep_meta"] = json.dumps({"lang": "lift the cup"})
        demo["actions"] = np.zeros((steps, 7))
        images = demo.create_dataset(
            "obs/agentview_image", (steps, HEIGHT, WIDTH, 3), np.uint8, chunks=(1, HEIGHT, WIDTH, 3)
        )
        for time in range(steps):
            images[time] = frame(time)
    return folder.with_suffix(".hdf5")


def capture(path: str) -> None:
    """Captures two steps, and prints the peak memory in MB."""
    import octoscope as osc

    model, episode = osc.OctoModel.load_pretrained("drawn"), osc.open_episodes(path)[0]
    with tempfile.TemporaryDirectory() as folder:
        osc.attend(model, episode, f"{folder}/run.zarr", steps=[0, len(episode) - 1])
    # Kilobytes on Linux.
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)


WRITERS = {"rlds": write_rlds, "lerobot": write_lerobot, "hdf5": write_hdf5}


def main(formats: list[str]) -> None:
    """Prints the peaks for each format."""
    with tempfile.TemporaryDirectory() as folder:
        for name in formats:
            peaks = []
            for steps in (10, 300):
                path = WRITERS[name](Path(folder) / f"{name}_{steps}", steps)
                command = [sys.executable, __file__, "--capture", str(path)]
                peaks.append(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
            print(
                f"{name}: 10 frames {peaks[0]:.0f} MB, 300 frames {peaks[1]:.0f} MB, {peaks[1] - peaks[0]:+.0f} MB, bound {BOUND}"
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--capture"]:
        capture(sys.argv[2])
    else:
        main(sys.argv[1:] or list(WRITERS))
