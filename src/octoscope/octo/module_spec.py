"""From a checkpoint's config to Flax modules: the classes a config may name, and their arguments."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn

from octoscope.errors import ConfigError, nearest
from octoscope.octo.action_heads import ContinuousActionHead, L1ActionHead, MSEActionHead
from octoscope.octo.diffusion_head import DiffusionActionHead
from octoscope.octo.discrete_head import DiscreteActionHead, TokenPerDimActionHead
from octoscope.octo.lowdim_tokenizer import LowdimObsTokenizer
from octoscope.octo.module import OctoModule
from octoscope.octo.resnet import ResNet26FILM, ViTResnet
from octoscope.octo.stems import PatchEncoder, SmallStem, SmallStem16, SmallStem32
from octoscope.octo.t5 import T5Config
from octoscope.octo.tokenizers import ImageTokenizer, LanguageTokenizer
from octoscope.octo.transformer import OctoTransformer

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
}

# Arguments that configs carry and the original never reads.
_UNREAD = {f"{_TOKENIZERS}.ImageTokenizer": {"conditioning_type"}}

ModuleSpec = Mapping[str, Any]
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

    def build_all(specs: Mapping[str, ModuleSpec]) -> dict[str, nn.Module]:
        return {name: build(spec, find_text_encoder)() for name, spec in specs.items()}

    return OctoModule(
        octo_transformer=OctoTransformer(
            observation_tokenizers=build_all(model_config["observation_tokenizers"]),
            task_tokenizers=build_all(model_config["task_tokenizers"]),
            readouts=dict(model_config["readouts"]),
            num_layers=transformer["num_layers"],
            mlp_dim=transformer["mlp_dim"],
            num_heads=transformer["num_attention_heads"],
            token_embedding_size=model_config["token_embedding_size"],
            max_horizon=model_config["max_horizon"],
            repeat_task_tokens=model_config["repeat_task_tokens"],
            use_correct_attention=model_config["use_correct_attention"],
        ),
        heads=build_all(model_config["heads"]),
    )


def build(spec: ModuleSpec, find_text_encoder: FindTextEncoder) -> Callable[[], nn.Module]:
    """Returns what makes the module that one spec names, with the spec's arguments filled in.

    Raises:
      ConfigError: If the spec is malformed, or names an unknown module or argument.
    """
    if set(spec) != {"module", "name", "args", "kwargs"}:
        raise ConfigError(
            "A module in the config must be given by exactly `module`, `name`, `args` and `kwargs`, got "
            f"{sorted(spec)}."
        )
    path = f"{spec['module']}.{spec['name']}"
    if path not in MODULES:
        raise ConfigError(
            f"The config names the module '{path}', which octoscope does not know.{nearest(path, MODULES)} "
            f"Known: {', '.join(sorted(MODULES))}."
        )
    module_class = MODULES[path]
    arguments = _named_arguments(module_class, spec)
    arguments = {key: value for key, value in arguments.items() if key not in _UNREAD.get(path, ())}
    if module_class is ImageTokenizer:
        if "encoder" not in arguments:
            raise ConfigError("An ImageTokenizer in the config has no `encoder`: give it a module spec.")
        encoder = build(arguments["encoder"], find_text_encoder)
        _check_film(encoder, arguments)
        arguments["encoder"] = encoder
    if module_class is LanguageTokenizer:
        encoder = arguments.pop("encoder", None)
        arguments["encoder_config"] = None if encoder is None else find_text_encoder(encoder)
    _check_arguments(path, module_class, arguments)
    return functools.partial(module_class, **{key: _as_tuple(value) for key, value in arguments.items()})


def _named_arguments(module_class: type[nn.Module], spec: ModuleSpec) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(module_class) if field.name not in ("parent", "name")]
    return dict(zip(names, spec["args"], strict=False)) | dict(spec["kwargs"])


def _check_arguments(path: str, module_class: type[nn.Module], arguments: Mapping[str, Any]) -> None:
    fields = [field.name for field in dataclasses.fields(module_class) if field.name not in ("parent", "name")]
    for name in arguments:
        if name not in fields:
            raise ConfigError(
                f"The config gives '{path}' the argument '{name}', which it does not take.{nearest(name, fields)} "
                f"It takes: {', '.join(fields)}."
            )


def _check_film(encoder: Callable[[], Any], arguments: Mapping[str, Any]) -> None:
    takes, given = encoder().use_film, bool(arguments.get("task_film_keys"))
    if takes != given:
        raise ConfigError(
            "An image encoder with `use_film` needs the tokenizer's `task_film_keys`, and one without must have none; got "
            f"use_film {takes} and task_film_keys {list(arguments.get('task_film_keys', ()))}."
        )


def _check_transformer_kwargs(transformer: Mapping[str, Any]) -> None:
    for name in ("num_layers", "mlp_dim", "num_attention_heads"):
        if name not in transformer:
            raise ConfigError(f"The config's `transformer_kwargs` lack '{name}'; they hold {sorted(transformer)}.")
    if transformer.get("add_position_embedding"):
        raise ConfigError(
            "The config asks for `add_position_embedding`, which no published Octo uses and octoscope does not build."
        )


def _as_tuple(value: Any) -> Any:
    # JSON turned the original's tuples into lists.
    return tuple(_as_tuple(entry) for entry in value) if isinstance(value, list) else value
