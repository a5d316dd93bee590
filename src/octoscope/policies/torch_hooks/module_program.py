"""A PyTorch module of your own as a policy: you say how it is run and what its tokens are."""

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from PIL import Image

from octoscope.array_typing import UInt8
from octoscope.errors import SelectionError, nearest
from octoscope.policies.action_space import ActionSpace
from octoscope.policies.inputs import PolicyInputs
from octoscope.policies.noise import Noise
from octoscope.policies.policy_model import PolicyCard, PolicyNeeds
from octoscope.policies.torch_hooks.found_tokens import HookedStack, described_tokens, found_tokens
from octoscope.policies.torch_hooks.noise_seed import under_noise
from octoscope.policies.torch_hooks.seen_forward import SeenForward, SeenForwards
from octoscope.policies.torch_hooks.torch_program import HookedTokens
from octoscope.tokens.image_transform import ImageTransform
from octoscope.tokens.token_source import TokenSource


@dataclass(frozen=True, eq=False)
class ModuleProgram:
    """A module that acts; see `TorchProgram`."""

    module: torch.nn.Module
    # Runs the module on what is given, and returns its actions (horizon, dim). Whatever it draws from PyTorch's global generator is
    # seeded for it.
    forward: Callable[[PolicyInputs], torch.Tensor]
    needs: PolicyNeeds
    name: str
    # Groups of tokens in order, and who looks at whom; without them tokens are known by their number alone.
    groups: Sequence[tuple[str, int, TokenSource]] = ()
    stacks: Sequence[HookedStack] = ()
    # From normalised actions to the robot's.
    unnormalize: Callable[[np.ndarray], np.ndarray] | None = None
    # Whether it draws no noise.
    deterministic: bool = True

    @property
    def card(self) -> PolicyCard:
        """What it is."""
        return self._card

    @functools.cached_property
    def _card(self) -> PolicyCard:
        device = next((str(each.device.type) for each in self.module.parameters()), "cpu")
        return PolicyCard(self.name, "torch", "torch", torch.__version__, "gpu" if device == "cuda" else device)

    def digest(self) -> str:
        """Returns the SHA-256 of its parameters and buffers."""
        return module_digest(self.module)

    def prepare(
        self, camera: str, frame: UInt8[np.ndarray, "height width 3"]
    ) -> tuple[UInt8[np.ndarray, "_height _width 3"], ImageTransform]:
        """Returns the frame squashed to the size that `needs` says, by Pillow's bilinear filter.

        Raises:
          SelectionError: If the policy has no such camera.
        """
        known = self.needs.cameras
        if camera not in known:
            raise SelectionError(
                f"The policy has no camera '{camera}'. It has: {', '.join(known)}.{nearest(camera, known)}"
            )
        recorded, size = (frame.shape[0], frame.shape[1]), known[camera]
        transform = ImageTransform.resize(recorded, size)
        if recorded == tuple(size):
            return frame, transform
        return np.asarray(Image.fromarray(frame).resize((size[1], size[0]), Image.Resampling.BILINEAR)), transform

    def action_space(self, dataset: str) -> ActionSpace:
        """Returns what its actions are; where it has not acted yet, black pictures tell how many."""
        seen = self._forwards.any() or self._seen(blank_inputs(self.needs))
        return ActionSpace(
            seen.horizon,
            seen.dim,
            np.ones(seen.dim, bool),
            self.unnormalize,
            deterministic=self.deterministic,
            dataset=dataset,
        )

    def tokens(self, inputs: PolicyInputs) -> HookedTokens:
        """Returns what every token is; one forward tells heads, layers and passes.

        Raises:
          SelectionError: If the stacks do not fit what the module does.
        """
        found = self._seen(inputs).stacks
        if not self.groups:
            return found_tokens(found, window=inputs.window)
        return described_tokens(self.groups, self.stacks, found, window=inputs.window)

    def run(self, inputs: PolicyInputs, noise: Noise) -> torch.Tensor:
        """Returns the actions of one forward."""
        with torch.inference_mode(), under_noise(noise, self.module):
            return self.forward(inputs)

    def _seen(self, inputs: PolicyInputs) -> SeenForward:
        return self._forwards.of(self.module, replace(inputs, hidden=None), lambda each: self.run(each, Noise(0, 0)))

    @functools.cached_property
    def _forwards(self) -> SeenForwards:
        return SeenForwards()


def blank_inputs(needs: PolicyNeeds) -> PolicyInputs:
    """Returns black pictures and zeros of the shapes that a policy takes."""
    return PolicyInputs(
        {camera: np.zeros((needs.window, *size, 3), np.uint8) for camera, size in needs.cameras.items()},
        np.ones(needs.window, bool),
        {name: np.zeros((needs.window, *shape), np.float32) for name, shape in needs.numbers.items()},
        "" if needs.words else None,
    )


def module_digest(module: torch.nn.Module) -> str:
    """Returns the SHA-256 of a module's parameters and buffers."""
    whole = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        if isinstance(value, torch.Tensor):
            whole.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            whole.update(
                value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data if value.numel() else b""
            )
    return whole.hexdigest()
