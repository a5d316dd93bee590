"""A SmolVLA as people use it: load a LeRobot folder, act, and watch what the same forward looks at."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Float32, UInt8

from octoscope.errors import ObservationError, SelectionError, nearest
from octoscope.policies.lerobot_folder.features import STATE
from octoscope.policies.lerobot_folder.policy_folder import LeRobotFolder, open_lerobot_folder
from octoscope.policies.parts.hidden_keys import Masks, hidden_keys
from octoscope.policies.parts.resize_pad import fit_transform
from octoscope.policies.smolvla.config import SmolVlaConfig, read_smolvla_config
from octoscope.policies.smolvla.forward import SmolVlaOutputs, StackMasks, StackWeights, smolvla_forward
from octoscope.policies.smolvla.layout import smolvla_layout
from octoscope.policies.smolvla.params import load_smolvla_params
from octoscope.policies.smolvla.prefix import AnyArray, SmolVlaInputs
from octoscope.policies.smolvla.text import TextReader, open_text_reader
from octoscope.tokens.image_transform import ImageTransform
from octoscope.tokens.layout import TokenLayout

Noise = Float32[np.ndarray, "horizon padded_dim"]


class SmolVlaGradients(NamedTuple):
    """What a number made of the actions owes to each input and weight."""

    # Per value in 0..1 of the recorded frames, by camera.
    images: Mapping[str, Float[AnyArray, "height width 3"]]
    # Per normalised value.
    state: Float[AnyArray, " number"]
    weights: StackWeights


@dataclass(frozen=True, eq=False)
class SmolVlaModel:
    """A SmolVLA with its parameters."""

    folder: LeRobotFolder
    config: SmolVlaConfig
    params: Mapping[str, Any]
    text: TextReader

    @classmethod
    def load_pretrained(cls, checkpoint: str | Path) -> "SmolVlaModel":
        """Loads a SmolVLA from a LeRobot policy folder; neither torch nor lerobot is needed.

        Args:
          checkpoint: A folder, or 'hf://owner/name' (also from the hub's local cache).

        Raises:
          CheckpointError: If a file is missing or broken, or the weights do not fit the config.
          ConfigError: If it is another kind of policy, or has options that are not read.
        """
        folder = open_lerobot_folder(checkpoint, kind="smolvla")
        config = read_smolvla_config(folder.config, folder.path)
        text = open_text_reader(folder)
        params = load_smolvla_params(folder.weights, config, source=str(folder.path / "model.safetensors"))
        return cls(folder, config, params, text)

    @property
    def noise_shape(self) -> tuple[int, int]:
        """Shape of the noise that a chunk starts from, with the padding of an action."""
        return self.config.chunk_size, self.config.max_action_dim

    def transform(self, camera: str, recorded_size: tuple[int, int]) -> ImageTransform:
        """Returns where a frame lies on the policy's picture: resized with its ratio kept, padded left and above.

        Raises:
          SelectionError: If the policy has no such camera.
        """
        self._check_camera(camera)
        return fit_transform(recorded_size, self.config.image_size, anchor="bottom_right")

    def inputs(
        self,
        images: Mapping[str, UInt8[np.ndarray, "height width 3"]],
        state: Float32[np.ndarray, " number"],
        instruction: str,
    ) -> SmolVlaInputs:
        """Returns normalised inputs.

        Args:
          images: Frames as recorded, by the names of the cameras' features; a missing one is left out, as LeRobot does.
          state: `observation.state`.
          instruction: What the robot shall do.

        Raises:
          ObservationError: If no camera is there, or the state has another shape.
          SelectionError: If the policy has no such camera.
        """
        renamed = self.folder.rename(images)
        for camera in renamed:
            self._check_camera(camera)
        if not renamed:
            raise ObservationError(f"A SmolVLA needs one camera at least, of {', '.join(self.config.cameras)}.")
        features = {feature.name: feature for feature in self.folder.config.inputs}
        words = self.text.read(instruction)
        return SmolVlaInputs(
            {name: self.folder.normalized_image(features[name], image) for name, image in renamed.items()},
            words.ids,
            words.real,
            self.folder.normalized_numbers(features[STATE], state),
        )

    def layout(self, inputs: SmolVlaInputs) -> TokenLayout:
        """Returns the tokens and the attentions, which depend on the words and the cameras."""
        return smolvla_layout(self.config, tuple(inputs.images), len(inputs.words))

    def hide(self, inputs: SmolVlaInputs, masks: Masks | None = None) -> StackMasks:
        """Returns which keys are hidden in each stack, in all of its layers and passes; no position moves; see `hidden_keys`."""
        return StackMasks(*hidden_keys(self.layout(inputs), masks, policy="a SmolVLA"))

    def act(
        self, inputs: SmolVlaInputs, noise: Noise, hidden: StackMasks | None = None
    ) -> Float32[np.ndarray, "horizon dim"]:
        """Returns the chunk of actions as the network gives it, normalised.

        Args:
          inputs: Normalised inputs.
          noise: Standard normal, of `noise_shape`.
          hidden: Keys that queries may not see; None hides nothing.
        """
        masks = self.hide(inputs) if hidden is None else hidden
        return np.asarray(_act(self.params, self.config, inputs, noise, masks, self._special))

    def watch(self, inputs: SmolVlaInputs, noise: Noise, hidden: StackMasks | None = None) -> SmolVlaOutputs:
        """Returns the actions, bit for bit those of `act`, with the attention and encodings of the forward that made them."""
        masks = self.hide(inputs) if hidden is None else hidden
        return jax.tree.map(np.asarray, _watch(self.params, self.config, inputs, noise, masks, self._special))

    def gradients(
        self, inputs: SmolVlaInputs, noise: Noise, target: Float32[np.ndarray, "horizon dim"]
    ) -> SmolVlaGradients:
        """Returns the gradients of `sum(target * actions)`, of normalised actions, through all passes."""
        masks = self.hide(inputs)
        layers, heads = self.config.layers, self.config.vlm.heads
        nudges = StackWeights(
            np.zeros((layers, heads, *masks.prefix.shape), np.float32),
            np.zeros((self.config.passes, layers, heads, *masks.suffix.shape), np.float32),
        )
        gradients = _gradients(self.params, self.config, inputs, noise, masks, self._special, nudges, target)
        return SmolVlaGradients(*jax.tree.map(np.asarray, gradients))

    def robot_actions(
        self, actions: Float32[np.ndarray, "*chunk dim"], *, state: Float32[np.ndarray, " number"] | None = None
    ) -> Float32[np.ndarray, "*chunk dim"]:
        """Returns actions in the units of the recording; `state` only where they are relative to it."""
        return self.folder.robot_actions(actions, state=state)

    @property
    def _special(self) -> tuple[int, int] | None:
        return self.text.special() if self.config.special_tokens else None

    def _check_camera(self, camera: str) -> None:
        cameras = self.config.cameras
        if camera not in cameras:
            raise SelectionError(
                f"The policy has no camera '{camera}'; it has {', '.join(cameras)}.{nearest(camera, cameras)}"
            )


@partial(jax.jit, static_argnames=("config", "special"))
def _act(
    params: Any, config: SmolVlaConfig, inputs: SmolVlaInputs, noise: Any, hidden: StackMasks, special: Any
) -> Any:
    return smolvla_forward(params, config, inputs, noise, hidden, special=special).actions


@partial(jax.jit, static_argnames=("config", "special"))
def _watch(
    params: Any, config: SmolVlaConfig, inputs: SmolVlaInputs, noise: Any, hidden: StackMasks, special: Any
) -> Any:
    return smolvla_forward(params, config, inputs, noise, hidden, special=special)


@partial(jax.jit, static_argnames=("config", "special"))
def _gradients(
    params: Any,
    config: SmolVlaConfig,
    inputs: SmolVlaInputs,
    noise: Any,
    hidden: StackMasks,
    special: Any,
    nudges: StackWeights,
    target: Any,
) -> Any:
    def score(images: Any, state: Any, nudges: StackWeights) -> Any:
        given = inputs._replace(images=images, state=state)
        return (target * smolvla_forward(params, config, given, noise, hidden, nudges, special=special).actions).sum()

    return jax.grad(score, (0, 1, 2))(inputs.images, inputs.state, nudges)
