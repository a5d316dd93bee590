"""What every module of the policy gives, under names that people can remember, noted while one forward is traced."""

import re
from dataclasses import dataclass, field
from typing import Any

import flax.linen as nn
from jaxtyping import Array

from octoscope.policies.octo.network.token_group import TokenGroup
from octoscope.policies.octo.network.transformer import Groups
from octoscope.policies.octo.point_fields import with_fields
from octoscope.tokens.encoding_point import EncodingPoint
from octoscope.tokens.layout import TokenLayout

_TOKENIZER = r"octo_transformer/(?:observation|task)_tokenizers_([^/]+)"
_TASK = r"octo_transformer/task_tokenizers_([^/]+)"
_BLOCK = r"octo_transformer/BlockTransformer_0/Transformer_0/encoderblock_(\d+)"
_SEQUENCE = ("token", "embed")
_MAP = ("window", "row", "column", "channel")
# Path in the parameter tree -> name. The first that fits is taken.
_NAMES = (
    (rf"{_TASK}/hf_model/shared", r"tokens.task_\1.t5.embedding"),
    (rf"{_TASK}/hf_model/encoder/block/(\d+)", r"tokens.task_\1.t5.\2"),
    (rf"{_TASK}/hf_model", r"tokens.task_\1.t5.final"),
    (r"octo_transformer/observation_tokenizers_([^/]+)", r"tokens.obs_\1.tokenizer"),
    (_TASK, r"tokens.task_\1.tokenizer"),
    (r"octo_transformer/([^/]+)_projection", r"tokens.\1.projection"),
    (_BLOCK, r"blocks.\1.residual"),
    (rf"{_BLOCK}/MultiHeadDotProductAttention_0", r"blocks.\1.attention"),
    (rf"{_BLOCK}/MlpBlock_0", r"blocks.\1.mlp"),
    (r"octo_transformer/BlockTransformer_0", "blocks.final"),
)
_FILM = re.compile(rf"{_TOKENIZER}/[^/]+/FilmConditioning_(\d+)")
_FILM_PARTS = {"Dense_0": "scale", "Dense_1": "shift"}
_STEM = re.compile(rf"{_TOKENIZER}/([^/]+)(?:/(.+))?")


@dataclass
class EncodingRecorder:
    """An interceptor for `flax.linen.intercept_methods`: notes inputs and outputs, and changes nothing."""

    # By name, the array with its batch axis and the module's path.
    _noted: dict[str, tuple[Array, str]] = field(default_factory=dict)
    # What encoder modules gave: an input that is none of these passed something on the way, which has no name of its own.
    _given: list[Any] = field(default_factory=list)

    def __call__(self, call: Any, args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        """Returns what the module gives."""
        if context.method_name != "__call__":
            return call(*args, **kwargs)
        path = "/".join(context.module.path)
        if path == "octo_transformer/BlockTransformer_0":
            self._noted["blocks.input"] = args[0], path
        stem = _STEM.fullmatch(path)
        # TokenLearner pools tokens; it is no encoder of images.
        inside = stem is not None and stem[3] is not None and stem[2] != "hf_model" and "TokenLearner" not in stem[2]
        if inside and stem is not None:
            self._note_input(args, path, f"stem.{stem[1]}.{_dotted(stem[3])}")
        output = call(*args, **kwargs)
        if inside and stem is not None:
            self._note_inside(output, args, path, f"stem.{stem[1]}.{_dotted(stem[3])}")
        elif stem is not None and stem[2] != "hf_model" and stem[3] is None and "TokenLearner" not in stem[2]:
            self._noted[f"stem.{stem[1]}.output"] = output, path
        name = _name(path)
        # A tokenizer whose camera the episode lacks gives nothing: there is no such point then.
        if name is not None and output is not None:
            self._noted[name] = _tokens(output), path
        return output

    def points(self, outputs: Groups, layout: TokenLayout) -> dict[str, tuple[EncodingPoint, Array]]:
        """Returns every point with its array, batch axis gone, in the order of the forward.

        Args:
          outputs: What the forward gave, which knows what each token group is.
          layout: Of the same forward.
        """
        noted = dict(self._noted)
        sequence, path = noted["blocks.input"]
        embedded = {
            f"tokens.{group}.embedding": (sequence[:, layout.select(group)].reshape(outputs[group].tokens.shape), path)
            for group in layout.groups
        }
        before = {name: value for name, value in noted.items() if not name.startswith("blocks.")}
        blocks = {name: value for name, value in noted.items() if name.startswith("blocks.")}
        ordered = {**before, **embedded, "blocks.input": blocks.pop("blocks.input"), **blocks}
        made = {name: _point(name, array, path, outputs) for name, (array, path) in ordered.items()}
        return {name: (with_fields(point), array) for name, (point, array) in made.items()}

    def _note_input(self, args: Any, path: str, name: str) -> None:
        if _FILM.match(path) is None and not any(args[0] is given for given in self._given):
            self._noted[f"{name}.input"] = args[0], path
            self._given.append(args[0])

    def _note_inside(self, output: Any, args: Any, path: str, name: str) -> None:
        film = _FILM.match(path)
        self._given.append(output)
        if film is None:
            self._noted[name] = output, path
            return
        owner = f"film.{film[1]}.{film[2]}"
        part = _FILM_PARTS.get(path.rpartition("/")[2])
        if part is not None:
            self._noted[f"{owner}.{part}"] = output, path
        else:
            self._noted[f"{owner}.before"] = args[0], path
            self._noted[f"{owner}.after"] = output, path


def _name(path: str) -> str | None:
    for pattern, name in _NAMES:
        found = re.fullmatch(pattern, path)
        if found is not None:
            return found.expand(name)
    return None


def _tokens(output: Any) -> Array:
    """Returns the encodings among what a module gives: a tokenizer gives a group, a block of T5 also its position bias."""
    if isinstance(output, TokenGroup):
        return output.tokens
    return output[0] if isinstance(output, tuple) else output


def _dotted(path: str) -> str:
    return path.replace("/", ".")


def _point(name: str, array: Array, path: str, outputs: Groups) -> tuple[EncodingPoint, Array]:
    if name.startswith(("stem.", "film.")):
        # Encoders take timesteps as examples, and all timesteps are conditioned alike: one row of scales is all of them.
        told = name.endswith((".scale", ".shift")) and name.startswith("film.")
        kept, axes = (array[0], ("channel",)) if told else (array, _MAP)
        return EncodingPoint(name, kept.shape, axes, path, None, told), kept
    kept = array[0]
    if name.startswith("blocks."):
        return EncodingPoint(name, kept.shape, _SEQUENCE, path, None, False), kept
    group = name.split(".")[1]
    axes = _SEQUENCE if kept.ndim == 2 else ("window", *_SEQUENCE)
    constant = kept.ndim == 2 and outputs[group].source.kind == "language"
    return EncodingPoint(name, kept.shape, axes, path, group, constant), kept
