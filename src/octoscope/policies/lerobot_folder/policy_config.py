"""config.json of a LeRobot policy folder: which policy it is, its features, and its fields as they are written."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from octoscope.checkpoints.json_file import read_json
from octoscope.errors import ConfigError, nearest
from octoscope.policies.lerobot_folder.features import ACTION, Feature, camera_name, features_of_kind, read_features

_Value = TypeVar("_Value", int, float, bool, str)


@dataclass(frozen=True)
class PolicyConfig:
    """What config.json says of any policy; each family reads its own fields from `fields`."""

    # "act", "smolvla", "pi0" or "pi05".
    kind: str
    inputs: tuple[Feature, ...]
    action: Feature
    # Everything in the file, unknown fields too.
    fields: Mapping[str, Any]
    unknown: tuple[str, ...]

    @property
    def cameras(self) -> tuple[Feature, ...]:
        """The images, in the order in which every policy of LeRobot takes them."""
        return features_of_kind(self.inputs, "VISUAL")

    def field(self, name: str, default: _Value, *, least: int = 1) -> _Value:
        """Returns a field, or the default that LeRobot gives it where the file lacks it.

        Raises:
          ConfigError: If it is of another type than its default, or a whole number below `least`.
        """
        value = self.fields.get(name, default)
        if isinstance(default, bool) and value in (0, 1):
            return type(default)(value)
        if isinstance(default, float) and type(value) is int:
            return type(default)(value)
        if type(value) is not type(default):
            raise ConfigError(f"`{name}` of config.json must be {_NAMES[type(default)]}, got {value!r}.")
        if type(value) is int and value < least:
            raise ConfigError(f"`{name}` of config.json must be at least {least}, got {value}.")
        return value

    def refuse_aloha(self) -> None:
        """For policies whose config may ask for the joints of an Aloha robot to be turned around.

        Raises:
          ConfigError: If it does.
        """
        for name in ("adapt_to_pi_aloha", "use_delta_joint_actions_aloha"):
            if self.field(name, False):
                raise ConfigError(f"`{name}` of config.json changes joints of an Aloha robot, which is not read here.")


_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def read_policy_config(folder: Path) -> PolicyConfig:
    """Returns what a policy folder's config.json says.

    Raises:
      CheckpointError: If the file is missing or is no JSON.
      ConfigError: If it is not the config of a policy that is read here, saying what it is instead.
    """
    fields = read_json(folder / "config.json")
    kind = _policy_kind(fields)
    if kind not in _KNOWN_FIELDS:
        raise ConfigError(
            f"{folder} is a LeRobot policy of type '{kind}'; read here are {', '.join(_KNOWN_FIELDS)}.{nearest(kind, _KNOWN_FIELDS)} "
            f"With LeRobot installed (octoscope[lerobot]), 'lerobot:{folder}' runs it there and watches it by hooks."
        )
    if fields.get("use_peft") or (folder / "adapter_config.json").is_file():
        raise ConfigError(
            f"{folder} holds a PEFT adapter, not a whole policy. Merge it first (PEFT's `merge_and_unload`) and save the policy, or give "
            "the loaded policy to `hook_lerobot` (docs/pytorch.md)."
        )
    inputs = read_features(fields.get("input_features"), "input_features")
    _check_camera_names(inputs)
    outputs = read_features(fields.get("output_features"), "output_features")
    actions = [feature for feature in outputs if feature.kind == "ACTION" and feature.name == ACTION]
    if len(actions) != 1 or len(actions[0].shape) != 1:
        raise ConfigError(
            f"`output_features` of config.json must hold '{ACTION}' of type ACTION with one dimension, got {outputs}."
        )
    return PolicyConfig(kind, inputs, actions[0], dict(fields), _unknown_fields(kind, fields))


def _check_camera_names(inputs: tuple[Feature, ...]) -> None:
    """Refuses two cameras that would be one by their own names: `observation.image` and `observation.images.image`."""
    names: dict[str, str] = {}
    for camera in features_of_kind(inputs, "VISUAL"):
        other = names.setdefault(camera_name(camera.name), camera.name)
        if other != camera.name:
            raise ConfigError(
                f"`input_features` of config.json holds '{other}' and '{camera.name}', which are both the camera "
                f"'{camera_name(camera.name)}' here. Rename one, in config.json and the preprocessor."
            )


def _policy_kind(fields: Any) -> str:
    """Returns the `type` that a config names.

    Raises:
      ConfigError: If it names none.
    """
    kind = fields.get("type") if isinstance(fields, Mapping) else None
    if isinstance(kind, str) and kind:
        return kind
    old = " This one has `input_shapes`, as LeRobot wrote it in 2024: convert it with the LeRobot that made it."
    raise ConfigError(
        "config.json of a LeRobot policy names its `type` ('act', 'smolvla', ...), and this one does not."
        + (old if isinstance(fields, Mapping) and "input_shapes" in fields else "")
    )


def is_policy_folder(folder: Path) -> bool:
    """Whether a folder is a LeRobot policy's, known or not: its config.json names a `type`."""
    if not (folder / "config.json").is_file():
        return False
    fields = read_json(folder / "config.json")
    return isinstance(fields, Mapping) and isinstance(fields.get("type"), str)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Which fields are known, per type of policy: what is read, and what changes no action here. Every policy of LeRobot has these.
_OF_ALL = _words("""
    type n_obs_steps input_features output_features device use_amp use_peft push_to_hub repo_id private tags license pretrained_path
    pretrained_revision normalization_mapping chunk_size n_action_steps optimizer_lr optimizer_weight_decay
""")
_OF_FLOW = _words("""
    max_state_dim max_action_dim empty_cameras tokenizer_max_length min_period max_period rtc_config compile_model compile_mode
    freeze_vision_encoder train_expert_only optimizer_betas optimizer_eps optimizer_grad_clip_norm scheduler_warmup_steps
    scheduler_decay_steps scheduler_decay_lr
""")
_OF_PI = _words("""
    paligemma_variant action_expert_variant dtype num_inference_steps time_sampling_beta_alpha time_sampling_beta_beta
    time_sampling_scale time_sampling_offset use_relative_actions relative_exclude_joints action_feature_names image_resolution
    gradient_checkpointing
""")
_OF_ACT = _words("""
    vision_backbone pretrained_backbone_weights replace_final_stride_with_dilation pre_norm dim_model n_heads dim_feedforward
    feedforward_activation n_encoder_layers n_decoder_layers use_vae latent_dim n_vae_encoder_layers temporal_ensemble_coeff dropout
    kl_weight optimizer_lr_backbone
""")
_OF_SMOLVLA = _words("""
    resize_imgs_with_padding adapt_to_pi_aloha use_delta_joint_actions_aloha num_steps use_cache train_state_proj vlm_model_name
    load_vlm_weights add_image_special_tokens attention_mode prefix_length pad_language_to num_expert_layers num_vlm_layers
    self_attn_every_n_layers expert_width_multiplier
""")
_OF_DIFFUSION = _words("""
    horizon drop_n_last_frames vision_backbone resize_shape crop_ratio crop_shape crop_is_random pretrained_backbone_weights use_group_norm
    spatial_softmax_num_keypoints use_separate_rgb_encoder_per_camera down_dims kernel_size n_groups diffusion_step_embed_dim
    use_film_scale_modulation gradient_checkpointing noise_scheduler_type num_train_timesteps beta_schedule beta_start beta_end
    prediction_type clip_sample clip_sample_range num_inference_steps compile_model compile_mode do_mask_loss_for_padding optimizer_betas
    optimizer_eps scheduler_name scheduler_warmup_steps
""")
_KNOWN_FIELDS: Mapping[str, frozenset[str]] = {
    "act": _OF_ALL | _OF_ACT,
    "diffusion": _OF_ALL | _OF_DIFFUSION,
    "smolvla": _OF_ALL | _OF_FLOW | _OF_SMOLVLA,
    "pi0": _OF_ALL | _OF_FLOW | _OF_PI,
    "pi05": _OF_ALL | _OF_FLOW | _OF_PI,
}


def _unknown_fields(kind: str, fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the fields that no version known here has, in order: they are kept, and change nothing.

    >>> _unknown_fields("act", {"type": "act", "chunk_size": 8, "mlp_hidden_dim": 4})
    ('mlp_hidden_dim',)
    """
    return tuple(name for name in fields if name not in _KNOWN_FIELDS[kind])
