"""PyTorch's global generators under a noise of ours: what a policy draws from them is the same for the same name."""

import contextlib
from collections.abc import Iterator

import numpy as np
import torch  # pyright: ignore[reportMissingImports]

from octoscope.policies.noise import Noise


@contextlib.contextmanager
def under_noise(noise: Noise, module: torch.nn.Module) -> Iterator[None]:
    """Seeds the generators of the CPU and of the module's GPUs in the block, and puts back what they were."""
    seed = int(np.random.SeedSequence([noise.seed, noise.step, noise.draw]).generate_state(1, np.uint64)[0] >> 1)
    devices = sorted({each.device.index or 0 for each in module.parameters() if each.device.type == "cuda"})
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield
