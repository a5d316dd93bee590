"""Which fields of config.json are known, per type of policy: what is read, and what changes no action here."""

from collections.abc import Mapping
from typing import Any


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Every policy of LeRobot has these.
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
KNOWN_FIELDS: Mapping[str, frozenset[str]] = {
    "act": _OF_ALL | _OF_ACT,
    "smolvla": _OF_ALL | _OF_FLOW | _OF_SMOLVLA,
    "pi0": _OF_ALL | _OF_FLOW | _OF_PI,
    "pi05": _OF_ALL | _OF_FLOW | _OF_PI,
}


def unknown_fields(kind: str, fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the fields that no version known here has, in order: they are kept, and change nothing.

    >>> unknown_fields("act", {"type": "act", "chunk_size": 8, "mlp_hidden_dim": 4})
    ('mlp_hidden_dim',)
    """
    return tuple(name for name in fields if name not in KNOWN_FIELDS[kind])
