"""The device that a policy computes on, by the name that manifests give it."""

from typing import Any

import jax


def device_name(params: Any) -> str:
    """Returns the kind of device that the parameters lie on: "cpu", "gpu NVIDIA H100"."""
    leaf = jax.tree.leaves(params)[0]
    device = next(iter(leaf.devices())) if isinstance(leaf, jax.Array) else jax.devices()[0]
    return device.platform if device.device_kind == device.platform else f"{device.platform} {device.device_kind}"
