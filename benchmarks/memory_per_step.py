"""How much memory a step of an episode leaves behind: `python benchmarks/memory_per_step.py [STEPS ...]`.

Each length is captured in a process of its own, to disk, with the small embedded policy; the episode repeats an embedded one.
Peak memory is to grow by less than 0.3 MB a step beyond the frames, which are in memory as they were recorded.
"""

import itertools
import resource
import subprocess
import sys
import tempfile

import numpy as np

BOUND = 0.3


def capture(steps: int) -> None:
    """Captures an episode of so many steps, and prints the peak memory and the frames' size, in MB."""
    import dataclasses

    import octoscope as osc

    model, episode = osc.OctoModel.load_pretrained("drawn"), osc.open_episodes("drawn")[0]
    repeats = np.arange(steps) % len(episode)
    longer = dataclasses.replace(
        episode,
        images={camera: frames[repeats] for camera, frames in episode.images.items()},
        actions=None,
        extras={},
    )
    with tempfile.TemporaryDirectory() as folder:
        osc.attend(model, longer, f"{folder}/run.zarr")
    frames = sum(images.nbytes for images in longer.images.values())
    # Kilobytes on Linux.
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, frames / 1e6)


def main(lengths: list[int]) -> None:
    """Prints the peak at each length, and what a step adds between neighbouring ones."""
    measured = []
    for steps in lengths:
        done = subprocess.run(
            [sys.executable, __file__, "--capture", str(steps)], capture_output=True, text=True, check=True
        )
        peak, frames = (float(part) for part in done.stdout.split())
        measured.append((steps, peak - frames))
        print(f"{steps:5d} steps: peak {peak:7.1f} MB, of which frames {frames:5.1f}", flush=True)
    for (few, low), (many, high) in itertools.pairwise(measured):
        print(f"{few} to {many} steps: {(high - low) / (many - few):6.3f} MB a step beyond the frames, bound {BOUND}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--capture"]:
        capture(int(sys.argv[2]))
    else:
        main([int(argument) for argument in sys.argv[1:]] or [10, 100, 1000])
