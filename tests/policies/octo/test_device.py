"""Devices that are there and that are not, and programs that outlive the process that compiled them."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from octoscope.errors import DeviceError
from octoscope.policies.octo.freed_memory import keep_freed_memory
from octoscope.policies.parts.jax_device import use_device

COMPILE = """
import jax
from octoscope.policies.parts.jax_device import keep_compiled_programs
print(keep_compiled_programs())
jax.jit(lambda a: a * 2 + 1)(3.0)
"""
FAULTS = """
import resource
import numpy as np
from octoscope.policies.octo.freed_memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        np.ones(48 << 20, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults()
print(keep_freed_memory(), before, faults())
"""


def test_a_gpu_that_is_not_there():
    if any(device.platform == "gpu" for device in jax.devices()):
        pytest.skip("there is a GPU")
    with pytest.raises(DeviceError, match=r"finds no gpu here.*octoscope\[cuda\].*--device cpu"):
        use_device("gpu")
    use_device("auto")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="page faults are counted by Linux")
def test_freed_memory_is_kept_for_the_next_array():
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    told, before, after = done.stdout.split()
    if told == "False":
        pytest.skip("this C library cannot be told")
    assert int(before) > 1000
    assert int(after) < int(before) / 4


def test_a_c_library_that_cannot_be_told(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not keep_freed_memory()


def test_compiled_programs_lie_in_the_users_cache(tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "JAX_COMPILATION"))}

    def compile_with(**environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", COMPILE], env={**kept, **environment}, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    folder = tmp_path / "octoscope" / "jax"
    assert compile_with(XDG_CACHE_HOME=str(tmp_path)) == str(folder)
    assert list(folder.iterdir())
    assert compile_with(JAX_COMPILATION_CACHE_DIR=str(tmp_path / "mine")) == str(tmp_path / "mine")
