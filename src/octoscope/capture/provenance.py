"""What a run says of itself: policy, episode, task, program and machine, so that it can be checked and gone on with."""

import dataclasses
import functools
import hashlib
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from octoscope.episodes.frames.frames import Frames
from octoscope.policies.bind import BoundEpisode
from octoscope.tokens.attention_selection import AttentionSelection


def run_manifest(
    bound: BoundEpisode,
    selections: Sequence[AttentionSelection],
    *,
    steps: Sequence[int],
    seed: int,
    dtype: str,
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns the manifest of a run; nothing in it depends on when or where it is made, but for versions and `computed_on`.

    Args:
      bound: Policy and episode.
      selections: What is kept, one for each stack.
      steps: Of the episode.
      seed: Of the noise.
      dtype: Of the stored weights.
      facts: How it is computed, see `Recorder.facts`.
    """
    episode, card, plan = bound.episode, bound.policy.card, bound.plan
    return {
        "octoscope_version": version("octoscope"),
        "framework": {"name": card.framework, "version": card.framework_version},
        **computed_on(card.device),
        "policy": card.name,
        "policy_family": card.family,
        "policy_note": card.note,
        "policy_step": card.step,
        "policy_sha256": bound.policy.digest(),
        "facts": dict(card.facts),
        "episode": episode.name,
        "episode_length": len(episode),
        "episode_sha256": episode_digest(bound),
        # Only where there are some, so that a run without is what it was before there were remarks.
        **({"episode_remarks": list(episode.remarks)} if episode.remarks else {}),
        "dataset": episode.dataset,
        "instruction": bound.instruction,
        "remarks": list(bound.remarks),
        # Masks tell the object of the recorded words, whatever others are given.
        **({"recorded_instruction": episode.instruction} if episode.instruction not in ("", bound.instruction) else {}),
        "goal_images": sorted(plan.goal_images),
        "goal_sha256": {camera: array_digest(image) for camera, image in sorted(plan.goal_images.items())},
        "observations": dict(plan.observations),
        "seed": seed,
        "steps": list(steps),
        "attention": {each.stack: each.to_manifest() for each in selections},
        "dtype": dtype,
        **facts,
        "layout": bound.layout.to_json(),
        "transforms": {camera: dataclasses.asdict(made) for camera, made in bound.transforms.items()},
    }


def computed_on(device: str) -> dict[str, Any]:
    """Returns what the last bits of a run's numbers depend on besides versions and batch: the kind of device, and of a CPU more.

    There sums are split among threads, and added up in the registers that the processor has.

    Args:
      device: "cpu", "gpu NVIDIA H100".
    """
    return {"device": device} | ({"threads": cpu_threads(), "processor": processor_kind()} if device == "cpu" else {})


@functools.cache
def cpu_threads() -> int:
    """Returns how many threads jax computes with on the CPU, which it decides at its start as this does.

    That is NPROC of the environment, and else how many cores this process may use. NPROC can be more than there are: numbers are then
    those of a machine that has so many.
    """
    asked = os.environ.get("NPROC", "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def processor_kind() -> str:
    """Returns the architecture and the widest vectors of the processor: "x86_64 avx2"."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        flags = set[str]()
    widest = next((name for name in ("avx512f", "avx2", "avx", "sse4_2") if name in flags), "")
    return f"{platform.machine()} {widest}".strip()


def episode_digest(bound: BoundEpisode) -> str:
    """Returns the SHA-256 of what the policy is shown of an episode, and of the recorded actions."""
    episode = bound.episode
    shown = {camera: episode.images[camera] for camera in bound.cameras}
    numbers = {name: each.values for name, each in bound.plan.numbers.items()}
    actions = {} if episode.actions is None else {"actions": episode.actions}
    parts = [f"{name} {array_digest(array)}" for name, array in sorted({**shown, **numbers, **actions}.items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def array_digest(array: np.ndarray | Frames) -> str:
    """Returns the SHA-256 of an array's type, shape and bytes; frames are decoded one after another for it."""
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    for part in array if isinstance(array, Frames) else [array]:
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()
