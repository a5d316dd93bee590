"""Tokenizers: from observations and tasks to the token groups of the sequence."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array

from octoscope.errors import ObservationError
from octoscope.policies.octo.network.pooling import TokenLearner
from octoscope.policies.octo.network.t5 import T5Config, T5Encoder
from octoscope.policies.octo.network.token_group import TokenGroup
from octoscope.tokens.token_source import TokenSource

Inputs = Mapping[str, Any]


class ImageTokenizer(nn.Module):
    """Stacks the camera images and goal images it is told to on channels, and encodes them into patches."""

    # Makes the image encoder; its class name is part of the parameter tree.
    encoder: Callable[[], nn.Module]
    # Pool the patches into `num_tokens` tokens that have no place in the image.
    use_token_learner: bool = False
    num_tokens: int = 8
    # Configs carry it and nothing reads it, as in the original.
    conditioning_type: str = "none"
    # Patterns (matched at the start of the key) of the observations to stack.
    obs_stack_keys: Sequence[str] = ("image_.*", "depth_.*")
    # Patterns of the goal images to stack behind them; a goal that is not given is black, as in training.
    task_stack_keys: Sequence[str] = ()
    # Task keys (exact) whose arrays condition the encoder by FiLM.
    task_film_keys: Sequence[str] = ()
    proper_pad_mask: bool = True

    @nn.compact
    def __call__(self, observations: Inputs, tasks: Inputs, train: bool = False) -> TokenGroup | None:
        """Returns the patches, (batch, window, row * column, embed), or None when no camera matches.

        Raises:
          ObservationError: If images or goals are missing that the config does not let be left out.
        """
        keys = matching_keys(observations, self.obs_stack_keys)
        if not keys:
            return left_out(self, f"image matching {list(self.obs_stack_keys)}", observations)
        images = jnp.concatenate([observations[key] for key in keys], axis=-1)
        batch, window = images.shape[:2]
        goal_keys: list[str] = []
        if self.task_stack_keys:
            tasks = self._with_missing_goals(observations, tasks)
            goal_keys = matching_keys(tasks, self.task_stack_keys)
            if not goal_keys:
                raise ObservationError(
                    f"The tasks hold no goal image matching {list(self.task_stack_keys)}; they hold {sorted(tasks)}."
                )
            goals = jnp.concatenate([tasks[key] for key in goal_keys], axis=-1)
            goals = jnp.broadcast_to(goals[:, None], (batch, window, *goals.shape[1:]))
            images = jnp.concatenate([images, goals], axis=-1)
        encoder = self.encoder()
        condition = self._condition(tasks, window)
        encodings = encoder(images.reshape(batch * window, *images.shape[2:]), condition)
        rows, columns = encodings.shape[1:3]
        tokens = encodings.reshape(batch, window, rows * columns, encodings.shape[-1])
        source = TokenSource(
            "image",
            tuple(keys),
            goal_inputs=tuple(goal_keys),
            grid=(rows, columns),
            receptive_field=encoder.receptive_field(),
        )
        if self.use_token_learner:
            tokens = TokenLearner(self.num_tokens, name="TokenLearner_0")(tokens)
            source = TokenSource("image", tuple(keys), goal_inputs=tuple(goal_keys))
        mask = pad_mask(observations, keys, tokens.shape[:-1]) if self.proper_pad_mask else jnp.ones(tokens.shape[:-1])
        return TokenGroup(tokens, mask, source)

    def _condition(self, tasks: Inputs, window: int) -> Array | None:
        """Returns what the encoder is conditioned on, (batch * window, cond); None without FiLM."""
        if not self.task_film_keys:
            return None
        for key in self.task_film_keys:
            if not hasattr(tasks.get(key), "shape"):
                raise ObservationError(
                    f"The image encoder is conditioned on the task's '{key}', which must be an array of encodings "
                    f"(batch, entries); the tasks hold {sorted(tasks)}."
                )
        condition = jnp.concatenate([tasks[key] for key in self.task_film_keys], axis=-1)
        repeated = jnp.broadcast_to(condition[:, None], (condition.shape[0], window, *condition.shape[1:]))
        return repeated.reshape(condition.shape[0] * window, -1)

    def _with_missing_goals(self, observations: Inputs, tasks: Inputs) -> Inputs:
        wanted = matching_keys(observations, self.task_stack_keys)
        missing = {key: jnp.zeros_like(observations[key][:, 0]) for key in wanted if key not in tasks}
        return {**tasks, **missing}


class LanguageTokenizer(nn.Module):
    """Encodes the instruction with T5; takes encodings computed before as they are."""

    # Sizes of the text encoder; None when the instruction comes as encodings.
    encoder_config: T5Config | None = None
    finetune_encoder: bool = False
    proper_pad_mask: bool = True

    @nn.compact
    def __call__(self, observations: Inputs, tasks: Inputs, train: bool = False) -> TokenGroup | None:
        """Returns one token per word piece, padding included, or None when the tasks hold no instruction."""
        if "language_instruction" not in tasks:
            return left_out(self, "'language_instruction'", tasks)
        instruction = tasks["language_instruction"]
        if isinstance(instruction, Mapping):
            if self.encoder_config is None:
                raise ObservationError(
                    "This policy has no text encoder: give `language_instruction` as an array of encodings."
                )
            for key in ("input_ids", "attention_mask"):
                if key not in instruction:
                    raise ObservationError(
                        f"`language_instruction` must hold `input_ids` and `attention_mask`, it holds {sorted(instruction)}."
                    )
            encoder = T5Encoder(self.encoder_config, name="hf_model")
            tokens = encoder(instruction["input_ids"], instruction["attention_mask"])
            tokens = tokens if self.finetune_encoder else jax.lax.stop_gradient(tokens)
        else:
            _check_encodings(instruction)
            tokens = instruction if instruction.ndim == 3 else instruction[:, None]
        shape = tokens.shape[:-1]
        mask = pad_mask(tasks, ["language_instruction"], shape) if self.proper_pad_mask else jnp.ones(shape)
        return TokenGroup(tokens, mask, TokenSource("language", ("language_instruction",)))


def _check_encodings(instruction: Any) -> None:
    """Refuses an instruction that is no array of encodings.

    Raises:
      ObservationError: If it is not floating, or neither (batch, embed) nor (batch, token, embed).
    """
    shape, dtype = getattr(instruction, "shape", None), getattr(instruction, "dtype", "of Python")
    if shape is None or len(shape) not in (2, 3) or not jnp.issubdtype(dtype, jnp.floating):
        raise ObservationError(
            "`language_instruction` must be floating encodings (batch, embed) or (batch, token, embed), or word pieces "
            f"{{'input_ids', 'attention_mask'}}, each (batch, token); got {type(instruction).__name__} {dtype} {shape}."
        )


def left_out(tokenizer: Any, wanted: str, given: Inputs) -> None:
    """Leaves a tokenizer's tokens out of the sequence, where the config lets it.

    Raises:
      ObservationError: If the policy was trained with `proper_pad_mask` false: it never saw the sequence without these tokens.
    """
    if not tokenizer.proper_pad_mask:
        raise ObservationError(
            f"The tokenizer '{tokenizer.name}' has `proper_pad_mask` false, so it cannot be left out, but there is no {wanted}. "
            f"Given: {', '.join(sorted(given)) or 'nothing'}."
        )


def matching_keys(data: Inputs, patterns: Sequence[str]) -> list[str]:
    """Returns the keys, sorted, that any pattern matches at their start.

    >>> matching_keys({"image_wrist": 0, "image_primary": 0, "proprio": 0}, ["image_.*"])
    ['image_primary', 'image_wrist']
    """
    return [key for key in sorted(data) if any(re.match(pattern, key) for pattern in patterns)]


def pad_mask(data: Inputs, keys: Sequence[str], shape: tuple[int, ...]) -> Array:
    """Returns which tokens are real: any of `keys` present says so; all, when the data does not tell for each key."""
    told = data.get("pad_mask_dict")
    if told is None or any(key not in told for key in keys):
        return jnp.ones(shape)
    present = jnp.stack([jnp.asarray(told[key]) for key in keys], axis=-1).any(axis=-1)
    return jnp.broadcast_to(present[..., None], shape)
