"""octoscope: see what an Octo robot policy looks at, and test whether it matters."""

import importlib
from typing import Any

# Public name -> module it lives in. Loaded on first use, so that what reads runs and draws pictures never loads jax.
_PUBLIC = {
    "ActionTarget": "octoscope.faithfulness.action_target",
    "ActivationMap": "octoscope.cnn.cam_result",
    "AttentionMap": "octoscope.attention.maps",
    "BlankCamera": "octoscope.interventions.descriptions",
    "CoverPatches": "octoscope.interventions.descriptions",
    "CoverPixels": "octoscope.interventions.descriptions",
    "Episode": "octoscope.episodes.episode",
    "FaithfulnessSettings": "octoscope.faithfulness.settings",
    "FilterPicture": "octoscope.cnn.filter_picture",
    "MaskKeys": "octoscope.interventions.descriptions",
    "HeadTable": "octoscope.attention.head_table",
    "MaximizationSettings": "octoscope.cnn.maximization_settings",
    "NoInstruction": "octoscope.interventions.descriptions",
    "NormalizationType": "octoscope.octo.action_normalization",
    "OctoModel": "octoscope.octo.model",
    "OctoscopeError": "octoscope.errors",
    "PatchWords": "octoscope.attention.patch_words",
    "Policy": "octoscope.serving.policy",
    "QueryRow": "octoscope.attention.query",
    "RecedingHorizon": "octoscope.serving.receding_horizon",
    "RemoveTimestep": "octoscope.interventions.descriptions",
    "ReplaceWord": "octoscope.interventions.descriptions",
    "Run": "octoscope.runs.run",
    "Saliency": "octoscope.cnn.saliency_result",
    "ShareTable": "octoscope.attention.share_table",
    "Sink": "octoscope.attention.sinks",
    "ShuffleWords": "octoscope.interventions.descriptions",
    "StepAttention": "octoscope.serving.step_attention",
    "StepResult": "octoscope.serving.stepper",
    "TemporalEnsemble": "octoscope.serving.temporal_ensemble",
    "Together": "octoscope.interventions.descriptions",
    "TokenLayout": "octoscope.tokens.layout",
    "UseInstruction": "octoscope.interventions.descriptions",
    "action_score": "octoscope.cnn.action_score",
    "activation_map": "octoscope.cnn.activation_maps",
    "attend": "octoscope.capture.attend",
    "attention_flow": "octoscope.attention.flow",
    "attention_maps": "octoscope.attention.maps",
    "attention_relevance": "octoscope.attention.relevance",
    "attention_rollout": "octoscope.attention.rollout",
    "attention_rule_mask": "octoscope.tokens.attention_rules",
    "attention_shares": "octoscope.attention.shares",
    "attention_weights": "octoscope.octo.states",
    "class_score": "octoscope.cnn.class_score",
    "convert_checkpoint": "octoscope.octo.convert",
    "drop_tokens": "octoscope.faithfulness.drop_tokens",
    "examine_checkpoint": "octoscope.capture.checkup",
    "filter_saliency": "octoscope.cnn.saliency",
    "find_query": "octoscope.attention.query",
    "intervene": "octoscope.interventions.intervene",
    "language_use": "octoscope.faithfulness.language_use",
    "find_sinks": "octoscope.attention.sinks",
    "head_table": "octoscope.attention.head_statistics",
    "instruction_words": "octoscope.attention.instruction_words",
    "knock_out_keys": "octoscope.capture.readout_effects",
    "maximize_filters": "octoscope.cnn.maximization",
    "moved_lengths": "octoscope.attention.value_norms",
    "norm_weighted_attention": "octoscope.attention.value_norms",
    "open_episodes": "octoscope.episodes.sources",
    "open_network": "octoscope.cnn.sources",
    "patch_words": "octoscope.attention.patch_words",
    "positive_attention": "octoscope.attention.relevance",
    "readout_gradients": "octoscope.capture.readout_effects",
    "recompute_attention": "octoscope.capture.recompute",
    "relevance_row": "octoscope.attention.relevance",
    "render_deviation_grids": "octoscope.pictures.head_pictures",
    "render_ablation_sheet": "octoscope.pictures.ablation_sheet",
    "render_film_frames": "octoscope.pictures.attention_film",
    "render_head_grids": "octoscope.pictures.head_pictures",
    "render_language_use": "octoscope.pictures.language_use",
    "render_layout": "octoscope.pictures.layout_picture",
    "render_patch_words": "octoscope.pictures.words_sheet",
    "render_share_bars": "octoscope.pictures.share_pictures",
    "render_share_curves": "octoscope.pictures.share_pictures",
    "render_share_grids": "octoscope.pictures.share_pictures",
    "render_sheet": "octoscope.pictures.attention_sheet",
    "render_words": "octoscope.pictures.words_sheet",
    "resize_image": "octoscope.octo.image_resize",
    "score_faithfulness": "octoscope.faithfulness.score",
    "rollout_row": "octoscope.attention.rollout",
    "run_rollout": "octoscope.attention.rollout",
    "share_table": "octoscope.attention.share_table",
    "word_queries": "octoscope.attention.instruction_words",
    "write_attention_results": "octoscope.pictures.attention_results",
}
# Public names that differ from the name in their module.
_RENAMED = {
    "render_film_frames": "attention_film_frames",
    "render_patch_words": "render_patch_words_sheet",
    "render_sheet": "render_attention_sheet",
    "render_words": "render_words_sheet",
}

__all__ = sorted(_PUBLIC)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Returns a public name, importing its module now."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'octoscope' has no attribute '{name}'")
    return getattr(importlib.import_module(_PUBLIC[name]), _RENAMED.get(name, name))


def __dir__() -> list[str]:
    """Returns the public names."""
    return __all__
