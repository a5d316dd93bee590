"""Loads a pi0 of true size, 3.2 billion parameters that act: `python benchmarks/pi0_size.py [FOLDER] [step]`.

FOLDER is one that `true_size.py` made, by default one that is made for this run (6.5 GB in bfloat16). Peak memory is what the process held
at most while it loaded (Linux's VmHWM), less what it held before: 1.00 of the weights is one copy. With `step`, one step too, and the
peak of that.
"""

import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
from true_size import CAMERAS, FRAME, INSTRUCTION, make_pi0

from octoscope.policies.pi.model import PiModel


def memory(name: str) -> int:
    """Returns a line of Linux's account of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def main(folder: str = "", step: str = "") -> None:
    """Prints what loading takes."""
    with tempfile.TemporaryDirectory() as scratch:
        load(Path(folder) if folder else make_pi0(Path(scratch) / "pi0"), step == "step")


def load(folder: Path, step: bool) -> None:
    """Prints what one folder takes."""
    jax.block_until_ready(jax.device_put(1.0))
    before, start = memory("VmRSS"), time.process_time()
    model = PiModel.load_pretrained(folder)
    jax.block_until_ready(model.params)
    leaves = jax.tree.leaves(model.params)
    weights = sum(leaf.nbytes for leaf in leaves)
    print(f"{sum(leaf.size for leaf in leaves):,} parameters, {weights / 1e9:.2f} GB as held")
    tell("loaded", before, start, weights)
    if step:
        noise = np.random.default_rng(0).standard_normal(model.noise_shape, dtype=np.float32)
        for light, name in enumerate(("first step", "second step")):
            start = time.process_time()
            frames = {camera: np.full((*FRAME, 3), light, np.uint8) for camera in CAMERAS}
            model.act(model.inputs(frames, np.zeros(6, np.float32), INSTRUCTION), noise)
            tell(name, before, start, weights)


def tell(what: str, before: int, start: float, weights: int) -> None:
    """Prints how long something took, and the most that the process ever held."""
    seconds, peak = time.process_time() - start, memory("VmHWM") - before
    print(
        f"{what}: {seconds:.1f} s of processor time, at most {peak / 1e9:.2f} GB, {peak / weights:.2f} of the weights",
        flush=True,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
