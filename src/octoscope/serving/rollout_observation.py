"""What a loop shows a LeRobot policy: the frames, numbers and words that go into its preprocessor, of every environment."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from octoscope.array_typing import Float32, UInt8
from octoscope.policies.inputs import PolicyInputs
from octoscope.policies.lerobot_folder.features import camera_name

if TYPE_CHECKING:
    from octoscope.policies.torch_hooks.hooked_policy import HookedPolicy


@dataclasses.dataclass(frozen=True, eq=False)
class RolloutScene:
    """What one environment showed."""

    images: Mapping[str, UInt8[np.ndarray, "height width 3"]]
    numbers: Mapping[str, Float32[np.ndarray, "..."]]
    task: str

    def inputs(self, policy: "HookedPolicy") -> PolicyInputs:
        """Returns it as the policy is given it when it has seen nothing else."""
        window = policy.needs.window
        images = {
            camera: np.repeat(policy.prepare(camera, frame)[0][None], window, 0)
            for camera, frame in self.images.items()
        }
        numbers = {name: np.repeat(value[None], window, 0) for name, value in self.numbers.items()}
        return PolicyInputs(images, np.ones(window, bool), numbers, self.task if policy.needs.words else None)


@dataclasses.dataclass(frozen=True, eq=False)
class RolloutObservation:
    """What all environments showed at one step."""

    scenes: tuple[RolloutScene, ...]

    @property
    def count(self) -> int:
        """Number of environments."""
        return len(self.scenes)

    def of(self, environment: int) -> RolloutScene:
        """Returns what one of them showed."""
        return self.scenes[environment]

    @classmethod
    def read(
        cls, transition: Mapping[str, Any], features: Mapping[str, Any], renames: Mapping[str, str]
    ) -> "RolloutObservation":
        """Reads what goes into the preprocessor: frames in 0..1, channels first, with or without a batch."""
        told = transition.get("complementary_data") or {}
        images: dict[str, np.ndarray] = {}
        numbers: dict[str, np.ndarray] = {}
        for recorded, value in (transition.get("observation") or {}).items():
            name = renames.get(recorded, recorded)
            if name not in features:
                continue
            array, feature = np.asarray(value.detach().cpu().numpy()), features[name]
            array = array[None] if array.ndim == len(feature.shape) else array
            if feature.type.name == "VISUAL":
                pixels = array if array.dtype == np.uint8 else np.rint(array * 255.0).clip(0, 255).astype(np.uint8)
                images[camera_name(name)] = np.moveaxis(pixels, 1, -1)
            else:
                numbers[camera_name(name)] = array.astype(np.float32)
        count = len(next(iter({**images, **numbers}.values())))
        task = told.get("task", "")
        tasks = [task] * count if isinstance(task, str) else list(task)
        return cls(
            tuple(
                RolloutScene(
                    {name: value[at] for name, value in images.items()},
                    {name: value[at] for name, value in numbers.items()},
                    tasks[at],
                )
                for at in range(count)
            )
        )
