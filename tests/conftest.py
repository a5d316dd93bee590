"""What tests share: the embedded policy, an episode, and a run of both."""

import atexit
import os
import shutil
import tempfile

import hypothesis
import jax
import pytest

import octoscope as osc


def _share_compiled_programs() -> None:
    """Lets all workers, and the programs that tests start, compile each policy once; nothing of it outlives the tests."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        folder = tempfile.mkdtemp(prefix="octoscope-tests-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        # Workers inherit these, and find them set.
        os.environ["JAX_COMPILATION_CACHE_DIR"] = os.environ["XDG_CACHE_HOME"] = folder
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.3"
    jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)


_share_compiled_programs()

# The same inputs in every run, no file kept of them. `pytest --hypothesis-profile=long` tries others, a hundred times as many.
_HEALTH = (hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture)
hypothesis.settings.register_profile(
    "suite", derandomize=True, database=None, deadline=None, max_examples=60, suppress_health_check=_HEALTH
)
hypothesis.settings.register_profile(
    "long", database=None, deadline=None, max_examples=6_000, suppress_health_check=_HEALTH, print_blob=True
)
hypothesis.settings.load_profile("suite")


@pytest.fixture(scope="session")
def demo_model() -> "osc.OctoModel":
    return osc.OctoModel.load_pretrained("drawn")


@pytest.fixture(scope="session")
def demo_episode() -> "osc.Episode":
    return osc.open_episodes("drawn")[0]


@pytest.fixture(scope="session")
def demo_run(demo_model, demo_episode) -> "osc.Run":
    return osc.attend(demo_model, demo_episode, steps=[0, 1, 5], options=osc.WatchOptions(dtype="float32"))
