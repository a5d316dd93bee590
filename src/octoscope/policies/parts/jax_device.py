"""Which device the policy runs on, and the compiled programs that a command keeps from one start to the next."""

import contextlib
import os
from pathlib import Path

import jax

from octoscope.errors import DeviceError
from octoscope.policies.device_names import Device
from octoscope.policies.open_policy import OpenOptions
from octoscope.user_path import user_cache


def prepare_jax(options: OpenOptions) -> None:
    """Sets jax up for a policy that is about to be opened.

    Raises:
      DeviceError: If jax has no such device, or computes in double precision.
    """
    use_device(options.device)
    if options.keep_compiled:
        keep_compiled_programs()


def use_device(device: Device) -> None:
    """Makes everything after it run on this device; call it before a policy is loaded.

    Args:
      device: "gpu" where there is one and "cpu" otherwise with "auto", which is what jax does by itself.

    Raises:
      DeviceError: If jax has no such device, or computes in double precision.
    """
    if device == "auto":
        require_jax()
        return
    if device == "cpu":
        # Keeps jax from taking three quarters of a GPU's memory for nothing; without effect when it has started.
        jax.config.update("jax_platforms", "cpu")
    require_single_precision()
    try:
        devices = jax.devices(device)
    except (RuntimeError, AssertionError) as error:
        raise DeviceError(
            f"jax {jax.__version__} finds no {device} here ({_first_line(error)}). For an NVIDIA GPU install 'octoscope[cuda]' "
            "and check that `nvidia-smi` lists it; or give --device cpu."
        ) from None
    jax.config.update("jax_default_device", devices[0])


def require_jax() -> None:
    """Refuses to go on where jax cannot compute as Octo does, before something else is blamed for it.

    Raises:
      DeviceError: If jax finds no device, or computes in double precision, saying which setting does it.
    """
    require_single_precision()
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # an assertion where the platform's plugin is not installed
        told = jax.config.jax_platforms  # pyright: ignore[reportAttributeAccessIssue]  # made when jax is imported
        asked = f", which JAX_PLATFORMS sets to '{told}'," if told else ""
        raise DeviceError(
            f"jax {jax.__version__} cannot start on its platform{asked} here ({_first_line(error)}). Unset JAX_PLATFORMS, set it to "
            "'cpu', or install what it asks for: 'octoscope[cuda]' for an NVIDIA GPU."
        ) from None


def require_single_precision() -> None:
    """Refuses a jax that computes in double precision, which Octo was not trained in and its layers do not mix with.

    Raises:
      DeviceError: Naming the setting.
    """
    if jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]  # made when jax is imported
        raise DeviceError(
            "jax is set to double precision (JAX_ENABLE_X64, or jax_enable_x64), but Octo computes in float32. Unset it, or run "
            "octoscope in a process of its own: JAX_ENABLE_X64=0."
        )


def keep_compiled_programs(folder: Path | None = None) -> Path | None:
    """Lets jax keep what it compiles on disk, so that the next start needs seconds less.

    Args:
      folder: Where; by default `octoscope/jax` in the user's cache folder (XDG_CACHE_HOME, else ~/.cache). Where jax was told
        of a folder already (JAX_COMPILATION_CACHE_DIR), that one is used.

    Returns:
      The folder, or None when it cannot be written: then everything is compiled anew, as without.
    """
    told = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]  # made when jax is imported
    if told:
        return Path(told)
    folder = cache_folder() if folder is None else folder
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # Small programs are many, and cost more together than the large one.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return folder


def cache_folder() -> Path:
    """Returns where compiled programs are kept by default."""
    return user_cache() / "jax"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["unknown backend"])[0]
