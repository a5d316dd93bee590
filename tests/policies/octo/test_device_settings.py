"""Settings of jax that Octo cannot run under are named, and no file of the checkpoint is blamed for them."""

import os
import subprocess
import sys

import jax
import pytest

from octoscope.embedded.files import policy_directory
from octoscope.errors import DeviceError
from octoscope.policies.octo.checkup import examine_checkpoint
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.parts.jax_device import require_jax, use_device

# Loading is what is tested here: every policy comes from its files.
pytestmark = pytest.mark.usefixtures("loads_anew")

LOAD = """
import octoscope as osc
from octoscope.policies.octo.checkup import examine_checkpoint
from octoscope.policies.parts.jax_device import use_device

for use in (lambda: use_device("cpu"), lambda: osc.OctoModel.load_pretrained("drawn")):
    try:
        use()
    except osc.OctoscopeError as error:
        print(type(error).__name__, error)
print(*examine_checkpoint("drawn").problems)
"""


def test_double_precision_is_named():
    environment = {**os.environ, "JAX_ENABLE_X64": "1"}
    done = subprocess.run([sys.executable, "-c", LOAD], env=environment, capture_output=True, text=True, check=True)
    refused, again, problem = done.stdout.splitlines()
    assert refused == again == f"DeviceError {problem}"
    assert problem.startswith("jax is set to double precision (JAX_ENABLE_X64")
    assert "config.json" not in problem


@pytest.mark.parametrize("error", [AssertionError(), RuntimeError("Unable to initialize backend 'cuda'")])
def test_a_platform_that_is_not_there_is_named(monkeypatch, error):
    def devices(*_):
        raise error

    monkeypatch.setattr(jax, "devices", devices)
    for use in (require_jax, lambda: use_device("auto"), lambda: OctoModel.load_pretrained(policy_directory("drawn"))):
        # By its folder: what tests load by name is loaded once, whatever has changed since.
        with pytest.raises(DeviceError, match=r"cannot start on its platform.*Unset JAX_PLATFORMS"):
            use()
    (problem,) = examine_checkpoint("drawn").problems
    assert "JAX_PLATFORMS" in problem
    with pytest.raises(DeviceError, match="finds no gpu here"):
        use_device("gpu")
