"""How the family is found: an official checkpoint, or the name of an embedded one."""

from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.octo_policy import OctoPolicy
from octoscope.policies.open_policy import OpenOptions
from octoscope.policies.parts.jax_device import prepare_jax


def open_octo(path: str, options: OpenOptions) -> OctoPolicy:
    """Returns the Octo at a path.

    Raises:
      CheckpointError: If there is none, or it is broken.
      ConfigError: If its config names something that is not known.
      DeviceError: If the device is not there, or jax computes in double precision.
    """
    prepare_jax(options)
    return OctoModel.load_pretrained(path, step=options.step).policy
