"""A policy's parts from its checkpoint's config: the module, the text processor, and the parameters that the module needs."""

import contextlib
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax

from octoscope.errors import ConfigError, OctoscopeError
from octoscope.policies.octo.checkpoint.module_spec import build_module
from octoscope.policies.octo.checkpoint.sources import find_text_encoder, find_tokenizer
from octoscope.policies.octo.network.module import OctoModule
from octoscope.policies.octo.words.instruction_embeddings import EMBEDDINGS_FILE
from octoscope.policies.octo.words.text import TextProcessor, load_text_processor


def assemble_module(config: Mapping[str, Any], directory: Path) -> OctoModule:
    """Returns the policy that a config describes, without parameters.

    Args:
      config: The whole config, after `apply_shims`.
      directory: The checkpoint's folder, where text encoders may lie.

    Raises:
      CheckpointError: If a text encoder is not known.
      ConfigError: If the config describes no policy.
    """
    with _config_errors(directory):
        return build_module(config["model"], functools.partial(find_text_encoder, checkpoint=directory))


def assemble_text_processor(config: Mapping[str, Any], directory: Path) -> TextProcessor | None:
    """Returns what turns words into inputs; None for a policy that takes none.

    Raises:
      CheckpointError: If a file of it is missing, saying where to put it.
      ConfigError: If the config names an unknown one.
    """
    with _config_errors(directory):
        tokenizer = functools.partial(find_tokenizer, checkpoint=directory)
        return load_text_processor(config.get("text_processor"), tokenizer, directory / EMBEDDINGS_FILE)


def expected_params(module: OctoModule, example_batch: Mapping[str, Any], directory: Path) -> Mapping[str, Any]:
    """Returns the shapes and dtypes of all parameters that the module makes for such inputs, nested; nothing is computed.

    Raises:
      ConfigError: If the module cannot take the example.
    """
    observation, task = example_batch["observation"], example_batch["task"]
    with _config_errors(directory):
        variables = jax.eval_shape(module.init, jax.random.key(0), observation, task, observation["timestep_pad_mask"])
        return variables["params"]


@contextlib.contextmanager
def _config_errors(directory: Path) -> Iterator[None]:
    try:
        yield
    except OctoscopeError:
        raise
    except Exception as error:
        # A config can be wrong in more ways than can be foreseen; what Flax says of it is the best hint there is.
        raise ConfigError(
            f"The policy that {directory / 'config.json'} describes cannot be built ({type(error).__name__}: {error}). "
            "Use the config.json that was saved with the parameters."
        ) from error
