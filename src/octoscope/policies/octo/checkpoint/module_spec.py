"""From a checkpoint's config to Flax modules: the classes a config may name, and their arguments."""

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn

from octoscope.errors import ConfigError, nearest
from octoscope.policies.octo.checkpoint.spec import spec_arguments, spec_path
from octoscope.policies.octo.heads.action_heads import ContinuousActionHead, L1ActionHead, MSEActionHead
from octoscope.policies.octo.heads.diffusion_head import DiffusionActionHead
from octoscope.policies.octo.heads.discrete_head import DiscreteActionHead, TokenPerDimActionHead
from octoscope.policies.octo.heads.unet_head import UNetDDPMActionHead
from octoscope.policies.octo.network.lowdim_tokenizer import LowdimObsTokenizer
from octoscope.policies.octo.network.module import OctoModule
from octoscope.policies.octo.network.resnet import ResNet26FILM, ViTResnet
from octoscope.policies.octo.network.stems import PatchEncoder, SmallStem, SmallStem16, SmallStem32
from octoscope.policies.octo.network.t5 import T5Config
from octoscope.policies.octo.network.tokenizers import ImageTokenizer, LanguageTokenizer
from octoscope.policies.octo.network.transformer import OctoTransformer

_TOKENIZERS = "octo.model.components.tokenizers"
_ENCODERS = "octo.model.components.vit_encoders"
_HEADS = "octo.model.components.action_heads"

MODULES: Mapping[str, type[nn.Module]] = {
    f"{_TOKENIZERS}.ImageTokenizer": ImageTokenizer,
    f"{_TOKENIZERS}.LanguageTokenizer": LanguageTokenizer,
    f"{_TOKENIZERS}.LowdimObsTokenizer": LowdimObsTokenizer,
    f"{_ENCODERS}.PatchEncoder": PatchEncoder,
    f"{_ENCODERS}.ViTResnet": ViTResnet,
    f"{_ENCODERS}.ResNet26FILM": ResNet26FILM,
    f"{_ENCODERS}.SmallStem": SmallStem,
    f"{_ENCODERS}.SmallStem16": SmallStem16,
    f"{_ENCODERS}.SmallStem32": SmallStem32,
    f"{_HEADS}.ContinuousActionHead": ContinuousActionHead,
    f"{_HEADS}.MSEActionHead": MSEActionHead,
    f"{_HEADS}.L1ActionHead": L1ActionHead,
    f"{_HEADS}.DiscreteActionHead": DiscreteActionHead,
    f"{_HEADS}.TokenPerDimActionHead": TokenPerDimActionHead,
    f"{_HEADS}.DiffusionActionHead": DiffusionActionHead,
    f"{_HEADS}.UNetDDPMActionHead": UNetDDPMActionHead,
}

_OBSERVATION_TOKENIZERS = tuple(path for path in MODULES if path.endswith(("ImageTokenizer", "LowdimObsTokenizer")))
# Only words can stand in front of the sequence: the original refuses any other task tokenizer's tokens there, too.
_TASK_TOKENIZERS = (f"{_TOKENIZERS}.LanguageTokenizer",)
_ENCODER_PATHS = tuple(path for path in MODULES if path.startswith(_ENCODERS))
_HEAD_PATHS = tuple(path for path in MODULES if path.startswith(_HEADS))
# Arguments of the original's transformer; dropout is off whenever a policy acts.
_TRANSFORMER_SIZES = ("num_layers", "mlp_dim", "num_attention_heads")
# Larger than those of any policy; building more would take hours before anything failed.
_MOST = {"num_layers": 1024, "mlp_dim": 2**20, "num_attention_heads": 4096}
_TRANSFORMER_KWARGS = (*_TRANSFORMER_SIZES, "dropout_rate", "attention_dropout_rate", "add_position_embedding")
# Named by the original's files, but never by themselves in a config that it can run.
_PARTS = {
    f"{_TOKENIZERS}.BinTokenizer": "a LowdimObsTokenizer with `discretize`",
    f"{_TOKENIZERS}.TokenLearner": "an ImageTokenizer with `use_token_learner`",
}
_PATTERNS = ("obs_stack_keys", "task_stack_keys", "obs_keys")

# Finds the sizes of a text encoder by the name the config gives it ("t5-base").
FindTextEncoder = Callable[[str], T5Config]


def build_module(model_config: Mapping[str, Any], find_text_encoder: FindTextEncoder) -> OctoModule:
    """Returns the policy that `config["model"]` describes.

    Args:
      model_config: The "model" entry of a checkpoint's config.json, after `apply_shims`.
      find_text_encoder: Gives the sizes of the text encoder a LanguageTokenizer names.

    Raises:
      ConfigError: If a module or an argument is not known.
    """
    transformer = dict(model_config["transformer_kwargs"])
    _check_transformer_kwargs(transformer)

    def build_all(part: str, paths: tuple[str, ...]) -> dict[str, nn.Module]:
        return {name: _build_for(part, name, spec, paths) for name, spec in model_config[part].items()}

    def _build_for(part: str, name: str, spec: Any, paths: tuple[str, ...]) -> nn.Module:
        path = _module_path(spec)
        if path not in paths:
            raise ConfigError(
                f"The config's `{part}` name '{path}' for '{name}', but only these can stand there: {', '.join(paths)}."
            )
        return build(spec, find_text_encoder)()

    return OctoModule(
        octo_transformer=OctoTransformer(
            observation_tokenizers=build_all("observation_tokenizers", _OBSERVATION_TOKENIZERS),
            task_tokenizers=build_all("task_tokenizers", _TASK_TOKENIZERS),
            readouts=dict(model_config["readouts"]),
            num_layers=transformer["num_layers"],
            mlp_dim=transformer["mlp_dim"],
            num_heads=transformer["num_attention_heads"],
            token_embedding_size=model_config["token_embedding_size"],
            max_horizon=model_config["max_horizon"],
            repeat_task_tokens=model_config["repeat_task_tokens"],
            use_correct_attention=model_config["use_correct_attention"],
        ),
        heads=build_all("heads", _HEAD_PATHS),
    )


def build(spec: Any, find_text_encoder: FindTextEncoder) -> Callable[[], nn.Module]:
    """Returns what makes the module that one spec names, with the spec's arguments filled in.

    Raises:
      ConfigError: If the spec is malformed, or names an unknown module or argument.
    """
    path = _module_path(spec)
    module_class = MODULES[path]
    names, required = _argument_names(module_class)
    arguments = spec_arguments(spec, names, required=required)
    _check_keys(path, arguments)
    if module_class is ImageTokenizer:
        if _module_path(arguments["encoder"]) not in _ENCODER_PATHS:
            raise ConfigError(f"The `encoder` of an ImageTokenizer must be one of {', '.join(_ENCODER_PATHS)}.")
        encoder = build(arguments["encoder"], find_text_encoder)
        _check_film(encoder, arguments)
        arguments["encoder"] = encoder
    if module_class is LanguageTokenizer:
        encoder = arguments.pop("encoder", None)
        arguments["encoder_config"] = None if encoder is None else find_text_encoder(str(encoder))
    return functools.partial(module_class, **arguments)


def _module_path(spec: Any) -> str:
    path = spec_path(spec, (*MODULES, *_PARTS), kind="module")
    if path in _PARTS:
        raise ConfigError(f"The config names '{path}', which cannot stand by itself: it is a part of {_PARTS[path]}.")
    return path


def _argument_names(module_class: type[nn.Module]) -> tuple[list[str], list[str]]:
    """Returns the arguments a config may give a module, in the original's order, and those it must give."""
    fields = [field for field in dataclasses.fields(module_class) if field.name not in ("parent", "name")]
    # The config names the text encoder; the module holds its sizes.
    names = ["encoder" if field.name == "encoder_config" else field.name for field in fields]
    no_default = [field.name for field in fields if field.default is dataclasses.MISSING]
    # Without observations to look for, the original's tokenizer of numbers cannot run.
    return names, ["obs_keys"] if module_class is LowdimObsTokenizer else no_default


def _check_keys(path: str, arguments: Mapping[str, Any]) -> None:
    for name in (*_PATTERNS, "task_film_keys"):
        keys = arguments.get(name, ())
        if not isinstance(keys, tuple) or not all(isinstance(key, str) for key in keys):
            raise ConfigError(f"The config gives '{path}' the `{name}` {keys!r}, which must be a list of texts.")
        for key in keys if name in _PATTERNS else ():
            try:
                re.compile(key)
            except re.error as error:
                raise ConfigError(
                    f"The config gives '{path}' the pattern '{key}' in `{name}`, which is no regular expression ({error})."
                ) from None
    if not arguments.get("obs_keys", ("any",)):
        raise ConfigError(
            f"The config gives '{path}' no `obs_keys`: name the observations whose numbers become tokens."
        )


def _check_film(encoder: Callable[[], Any], arguments: Mapping[str, Any]) -> None:
    takes, given = encoder().use_film, bool(arguments.get("task_film_keys"))
    if takes != given:
        raise ConfigError(
            "An image encoder with `use_film` needs the tokenizer's `task_film_keys`, and one without must have none; got "
            f"use_film {takes} and task_film_keys {list(arguments.get('task_film_keys', ()))}."
        )


def _check_transformer_kwargs(transformer: Mapping[str, Any]) -> None:
    for name in transformer:
        if name not in _TRANSFORMER_KWARGS:
            raise ConfigError(
                f"The config's `transformer_kwargs` hold '{name}', which octoscope does not know."
                f"{nearest(name, _TRANSFORMER_KWARGS)} Known: {', '.join(_TRANSFORMER_KWARGS)}."
            )
    for name in _TRANSFORMER_SIZES:
        number = transformer.get(name, 1)
        if type(number) is not int or not 1 <= number <= _MOST[name]:
            raise ConfigError(f"The config's `{name}` must be a whole number in 1..{_MOST[name]}, got {number!r:.80}.")
        if name not in transformer:
            raise ConfigError(f"The config's `transformer_kwargs` lack '{name}'; they hold {sorted(transformer)}.")
    if transformer.get("add_position_embedding"):
        raise ConfigError(
            "The config asks for `add_position_embedding`, which no published Octo uses and octoscope does not build."
        )
