"""The denoising passes as numbers: at which training step each lies, and how a prediction and fresh noise make the next actions.

References: Ho et al., "Denoising Diffusion Probabilistic Models", 2020, https://arxiv.org/abs/2006.11239, eq. 7; Song et al., "Denoising
Diffusion Implicit Models", 2021, https://arxiv.org/abs/2010.02502, eq. 12 without noise. As diffusers has them: "leading" steps, and
the variance "fixed_small".
"""

from typing import NamedTuple

import numpy as np

from octoscope.array_typing import Float32, Int
from octoscope.policies.diffusion.config import DiffusionConfig


class Schedule(NamedTuple):
    """One entry for each pass."""

    times: Int[np.ndarray, " pass"]
    # Actions are `clean * clean_factor + noisy * noisy_factor + noise * noise_factor`; of DDIM, predicted noise takes the place of noisy.
    clean_factor: Float32[np.ndarray, " pass"]
    noisy_factor: Float32[np.ndarray, " pass"]
    noise_factor: Float32[np.ndarray, " pass"]
    # Clean actions are `(noisy - noise_root * predicted) / signal_root`.
    signal_root: Float32[np.ndarray, " pass"]
    noise_root: Float32[np.ndarray, " pass"]


def schedule(config: DiffusionConfig) -> Schedule:
    """Returns the passes of a policy.

    >>> made = schedule(DiffusionConfig((), (0, 0), (0, 0), 2, None, 2, train_steps=100, passes=10))
    >>> made.times.tolist(), float(made.noise_factor[-1])
    ([90, 80, 70, 60, 50, 40, 30, 20, 10, 0], 0.0)
    """
    kept = np.cumprod(1 - _betas(config), dtype=np.float32)
    times = (np.arange(config.passes) * (config.train_steps // config.passes))[::-1]
    signal = kept[times]
    if config.scheduler == "DDPM":
        before = np.append(kept[times[1:]], np.float32(1))
    else:
        earlier = times - config.train_steps // config.passes
        before = np.where(earlier >= 0, kept[np.maximum(earlier, 0)], np.float32(1))
    one = np.float32(1)
    if config.scheduler == "DDIM":
        factors = (np.sqrt(before), np.sqrt(one - before), np.zeros_like(before))
    else:
        step = signal / before
        clean = np.sqrt(before) * (one - step) / (one - signal)
        noisy = np.sqrt(step) * (one - before) / (one - signal)
        variance = np.maximum((one - before) / (one - signal) * (one - step), np.float32(1e-20))
        factors = (clean, noisy, np.where(times > 0, np.sqrt(variance), 0))
    clean_factor, noisy_factor, noise_factor = (np.asarray(each, np.float32) for each in factors)
    return Schedule(times, clean_factor, noisy_factor, noise_factor, np.sqrt(signal), np.sqrt(one - signal))


def _betas(config: DiffusionConfig) -> Float32[np.ndarray, " step"]:
    count = config.train_steps
    if config.schedule == "linear":
        return np.linspace(config.beta_start, config.beta_end, count, dtype=np.float32)
    if config.schedule == "scaled_linear":
        return np.linspace(config.beta_start**0.5, config.beta_end**0.5, count, dtype=np.float32) ** 2
    left = np.cos((np.arange(count + 1) / count + 0.008) / 1.008 * np.pi / 2) ** 2
    return np.minimum(1 - left[1:] / left[:-1], 0.999).astype(np.float32)
