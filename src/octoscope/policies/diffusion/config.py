"""The sizes and options of a Diffusion Policy that change its actions, read from a LeRobot folder's config.

Reference: Chi et al., "Diffusion Policy: Visuomotor Policy Learning via Action Diffusion", RSS 2023. https://arxiv.org/abs/2303.04137
"""

from dataclasses import dataclass
from typing import Any

from octoscope.errors import ConfigError
from octoscope.policies.act.config import BACKBONES
from octoscope.policies.lerobot_folder.features import STATE, features_of_kind
from octoscope.policies.lerobot_folder.policy_config import PolicyConfig

_SCHEDULES = ("squaredcos_cap_v2", "linear", "scaled_linear")


@dataclass(frozen=True)
class DiffusionConfig:
    """What the network is built from; defaults are those of LeRobot 0.6."""

    # Names of the cameras' features, in order.
    cameras: tuple[str, ...]
    # Height and width of every camera's frames, and of the middle that the network sees.
    frame: tuple[int, int]
    crop: tuple[int, int]
    state_dim: int
    # Name and entries of the environment's state; None: the policy takes none.
    environment: tuple[str, int] | None
    action_dim: int
    steps: int = 2
    horizon: int = 64
    chunk_size: int = 32
    backbone: str = "resnet18"
    group_norm: bool = False
    keypoints: int = 32
    # Whether each camera has an encoder of its own.
    separate: bool = True
    widths: tuple[int, ...] = (512, 1024, 2048)
    kernel: int = 5
    groups: int = 8
    time_dim: int = 128
    scales: bool = True
    # "DDPM" draws noise in every pass, "DDIM" none.
    scheduler: str = "DDPM"
    train_steps: int = 100
    passes: int = 100
    schedule: str = "squaredcos_cap_v2"
    beta_start: float = 1e-4
    beta_end: float = 0.02
    # "epsilon" or "sample".
    predicts: str = "epsilon"
    # Largest entry of a denoised action; None: any.
    clip: float | None = 1.0

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the map that key points lie on."""
        return -(-self.crop[0] // 32), -(-self.crop[1] // 32)

    @property
    def condition_dim(self) -> int:
        """Numbers that the U-Net is told of one timestep."""
        environment = self.environment[1] if self.environment else 0
        return self.state_dim + 2 * self.keypoints * len(self.cameras) + environment


def read_diffusion_config(config: PolicyConfig) -> DiffusionConfig:
    """Returns the network that a folder's config describes.

    Raises:
      ConfigError: If it is no network that is known here, saying which field is at fault.
    """
    states = [each for each in features_of_kind(config.inputs, "STATE") if each.name == STATE]
    if not states:
        raise ConfigError(f"A Diffusion Policy takes '{STATE}'; `input_features` lacks it.")
    environments = features_of_kind(config.inputs, "ENV")
    sizes = {(camera.shape[1], camera.shape[2]) for camera in config.cameras}
    if len(sizes) > 1:
        raise ConfigError(f"All cameras of a Diffusion Policy have frames of one size, got {sorted(sizes)}.")
    if not sizes and not environments:
        raise ConfigError(
            "A Diffusion Policy takes a camera or an environment's state; `input_features` holds neither."
        )
    if config.fields.get("resize_shape") is not None:
        raise ConfigError(
            "`resize_shape` of a Diffusion Policy is not read here. With LeRobot installed, 'lerobot:FOLDER' runs it there."
        )
    frame = next(iter(sizes), (0, 0))
    train_steps = config.field("num_train_timesteps", DiffusionConfig.train_steps)
    passes = config.fields.get("num_inference_steps")
    diffusion = DiffusionConfig(
        cameras=tuple(camera.name for camera in config.cameras),
        frame=frame,
        crop=_pair(config.fields.get("crop_shape"), "crop_shape") or frame,
        state_dim=states[0].size,
        environment=(environments[0].name, environments[0].size) if environments else None,
        action_dim=config.action.size,
        steps=config.field("n_obs_steps", DiffusionConfig.steps),
        horizon=config.field("horizon", DiffusionConfig.horizon),
        chunk_size=config.field("n_action_steps", DiffusionConfig.chunk_size),
        backbone=config.field("vision_backbone", DiffusionConfig.backbone),
        group_norm=config.field("use_group_norm", DiffusionConfig.group_norm),
        keypoints=config.field("spatial_softmax_num_keypoints", DiffusionConfig.keypoints),
        separate=config.field("use_separate_rgb_encoder_per_camera", DiffusionConfig.separate),
        widths=_widths(config.fields.get("down_dims", DiffusionConfig.widths)),
        kernel=config.field("kernel_size", DiffusionConfig.kernel),
        groups=config.field("n_groups", DiffusionConfig.groups),
        time_dim=config.field("diffusion_step_embed_dim", DiffusionConfig.time_dim, least=4),
        scales=config.field("use_film_scale_modulation", DiffusionConfig.scales),
        scheduler=config.field("noise_scheduler_type", DiffusionConfig.scheduler),
        train_steps=train_steps,
        passes=train_steps if passes is None else config.field("num_inference_steps", train_steps),
        schedule=config.field("beta_schedule", DiffusionConfig.schedule),
        beta_start=config.field("beta_start", DiffusionConfig.beta_start),
        beta_end=config.field("beta_end", DiffusionConfig.beta_end),
        predicts=config.field("prediction_type", DiffusionConfig.predicts),
        clip=config.field("clip_sample_range", 1.0) if config.field("clip_sample", True) else None,
    )
    _check(diffusion)
    return diffusion


def _check(config: DiffusionConfig) -> None:
    for field, value, known in (
        ("vision_backbone", config.backbone, tuple(BACKBONES)),
        ("noise_scheduler_type", config.scheduler, ("DDPM", "DDIM")),
        ("beta_schedule", config.schedule, _SCHEDULES),
        ("prediction_type", config.predicts, ("epsilon", "sample")),
    ):
        if value not in known:
            raise ConfigError(f"`{field}` of a Diffusion Policy must be one of {', '.join(known)}, got '{value}'.")
    if config.crop[0] > config.frame[0] or config.crop[1] > config.frame[1]:
        raise ConfigError(f"`crop_shape` {config.crop} must fit into the cameras' frames {config.frame}.")
    if config.horizon % 2 ** len(config.widths):
        raise ConfigError(f"`horizon` must be a multiple of {2 ** len(config.widths)}, got {config.horizon}.")
    if config.steps - 1 + config.chunk_size > config.horizon:
        raise ConfigError(
            f"`n_action_steps` must be at most {config.horizon - config.steps + 1}, what is predicted from now on; got {config.chunk_size}."
        )
    if config.passes > config.train_steps:
        raise ConfigError(f"`num_inference_steps` must be at most {config.train_steps}, got {config.passes}.")


def _pair(value: Any, field: str) -> tuple[int, int] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or len(value) != 2 or not all(type(n) is int and n > 0 for n in value):
        raise ConfigError(f"`{field}` of config.json must be a height and a width, got {value!r}.")
    return value[0], value[1]


def _widths(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list | tuple) or not value or not all(type(n) is int and n > 0 for n in value):
        raise ConfigError(f"`down_dims` of config.json must be a list of whole numbers, got {value!r}.")
    return tuple(value)
