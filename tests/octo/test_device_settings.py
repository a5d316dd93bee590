"""Settings of jax that Octo cannot run under are named, and no file of the checkpoint is blamed for them."""

import jax
import pytest

from octoscope.capture.checkup import examine_checkpoint
from octoscope.errors import DeviceError
from octoscope.octo.device import require_jax, use_device
from octoscope.octo.model import OctoModel


@pytest.fixture
def double_precision():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.mark.usefixtures("double_precision")
def test_double_precision_is_named():
    for use in (require_jax, lambda: use_device("cpu"), lambda: OctoModel.load_pretrained("drawn")):
        with pytest.raises(DeviceError, match="JAX_ENABLE_X64"):
            use()
    (problem,) = examine_checkpoint("drawn").problems
    assert "JAX_ENABLE_X64" in problem
    assert "config.json" not in problem


@pytest.mark.parametrize("error", [AssertionError(), RuntimeError("Unable to initialize backend 'cuda'")])
def test_a_platform_that_is_not_there_is_named(monkeypatch, error):
    def devices(*_):
        raise error

    monkeypatch.setattr(jax, "devices", devices)
    for use in (require_jax, lambda: use_device("auto"), lambda: OctoModel.load_pretrained("drawn")):
        with pytest.raises(DeviceError, match=r"cannot start on its platform.*Unset JAX_PLATFORMS"):
            use()
    (problem,) = examine_checkpoint("drawn").problems
    assert "JAX_PLATFORMS" in problem
    with pytest.raises(DeviceError, match="finds no gpu here"):
        use_device("gpu")
