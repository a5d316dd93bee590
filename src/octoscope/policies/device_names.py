"""The devices that can be asked for; what finds them is in `device.py`, which needs jax."""

from typing import Literal

Device = Literal["auto", "cpu", "gpu"]
