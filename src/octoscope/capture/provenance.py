"""What a run says of itself: policy, episode, task, program and machine, so that it can be checked and gone on with."""

import dataclasses
import functools
import hashlib
import os
import platform
import weakref
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from octoscope.capture.observations import EpisodeObservations
from octoscope.episodes.frames.frames import Frames
from octoscope.policies.octo.model import OctoModel
from octoscope.runs.attention_selection import AttentionSelection
from octoscope.runs.encoding_point import EncodingPoint
from octoscope.tokens.layout import TokenLayout

# Hashing a large checkpoint takes seconds; over a whole dataset once is enough.
_DIGESTS: weakref.WeakKeyDictionary[OctoModel, str] = weakref.WeakKeyDictionary()


def run_manifest(
    model: OctoModel,
    observations: EpisodeObservations,
    layout: TokenLayout,
    selection: AttentionSelection,
    *,
    instruction: str,
    goal_images: Mapping[str, np.ndarray] | None,
    steps: Sequence[int],
    seed: int,
    dtype: str,
    compute: str = "exact",
    batch: int = 1,
    encodings: Sequence[EncodingPoint] = (),
) -> dict[str, Any]:
    """Returns the manifest of a run; nothing in it depends on when or where it is made, but for versions and `computed_on`."""
    episode = observations.episode
    return {
        "octoscope_version": version("octoscope"),
        "framework": {"name": "jax", "version": jax.__version__},
        **computed_on(device_name(model)),
        "batch": batch,
        "policy": model.name,
        "policy_note": model.note,
        "policy_step": model.checkpoint.step,
        "policy_sha256": policy_digest(model),
        "config": model.config,
        "episode": episode.name,
        "episode_length": len(episode),
        "episode_sha256": episode_digest(observations),
        # Only where there are some, so that a run without is what it was before there were remarks.
        **({"episode_remarks": list(episode.remarks)} if episode.remarks else {}),
        "dataset": episode.dataset,
        "instruction": instruction,
        # Masks tell the object of the recorded words, whatever others are given.
        **({"recorded_instruction": episode.instruction} if episode.instruction not in ("", instruction) else {}),
        "goal_images": sorted(goal_images or ()),
        "goal_sha256": {camera: array_digest(image) for camera, image in sorted((goal_images or {}).items())},
        "observations": observations.plan.to_json(),
        "head": acting_head(model),
        "seed": seed,
        "steps": list(steps),
        "attention": {selection.stack: selection.to_manifest()},
        "dtype": dtype,
        "compute": compute,
        # Only where asked for, so that a run without is what it was before there were encodings.
        **({"encodings": [point.to_json() for point in encodings]} if encodings else {}),
        "layout": layout.to_json(),
        "transforms": {camera: dataclasses.asdict(t) for camera, t in observations.transforms.items()},
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


def acting_head(model: OctoModel) -> str:
    """Returns the head whose actions a run holds: "action", or the first of a policy that has no such head."""
    return "action" if "action" in model.module.heads else next(iter(model.module.heads))


def policy_digest(model: OctoModel) -> str:
    """Returns the SHA-256 of the policy's parameter file."""
    if model not in _DIGESTS:
        _DIGESTS[model] = model.checkpoint.digest()
    return _DIGESTS[model]


def episode_digest(observations: EpisodeObservations) -> str:
    """Returns the SHA-256 of what the policy is shown of an episode, and of the recorded actions."""
    episode, plan = observations.episode, observations.plan
    shown = {camera: episode.images[camera] for camera in plan.cameras}
    numbers = {key: found.values for key, found in plan.numbers.items()}
    actions = {} if episode.actions is None else {"actions": episode.actions}
    parts = [f"{name} {array_digest(array)}" for name, array in sorted({**shown, **numbers, **actions}.items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def device_name(model: OctoModel) -> str:
    """Returns the kind of device that the policy runs on: "cpu", "gpu NVIDIA H100"."""
    leaf = jax.tree.leaves(model.params)[0]
    device = next(iter(leaf.devices())) if isinstance(leaf, jax.Array) else jax.devices()[0]
    return device.platform if device.device_kind == device.platform else f"{device.platform} {device.device_kind}"


def array_digest(array: np.ndarray | Frames) -> str:
    """Returns the SHA-256 of an array's type, shape and bytes; frames are decoded one after another for it."""
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    for part in array if isinstance(array, Frames) else [array]:
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()
