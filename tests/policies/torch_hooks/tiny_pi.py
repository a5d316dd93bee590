"""The tiny pi0 and pi0.5 of the fixtures, loaded by LeRobot, which fixes the true sizes in its code: three of its names are replaced."""

import importlib
from contextlib import contextmanager
from unittest import mock

# Widths of the two Gemmas, and of SigLIP.
_WIDTHS = {"gemma_2b": 32, "gemma_300m": 16}
_VISION = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "patch_size": 14,
    "projection_dim": 32,
}
_VOCABULARY = 64


@contextmanager
def tiny_sizes(kind):
    """Lets LeRobot build the policy of a kind at the fixtures' sizes."""
    module = importlib.import_module(f"lerobot.policies.{kind}.modeling_{kind}")

    def gemma(variant):
        width = _WIDTHS[variant]
        return module.GemmaConfig(width=width, depth=3, mlp_dim=32, num_heads=8, num_kv_heads=1, head_dim=8)

    def paligemma(config, build=module.PaliGemmaForConditionalGenerationWithPiGemma):
        for name, value in _VISION.items():
            setattr(config.vision_config, name, value)
        config.projection_dim, config.text_config.vocab_size = 32, _VOCABULARY
        config._vocab_size, config.image_token_index = _VOCABULARY, _VOCABULARY - 1
        return build(config=config)

    def expert(config, build=module.PiGemmaForCausalLM):
        config.vocab_size = _VOCABULARY
        return build(config=config)

    with (
        mock.patch.object(module, "get_gemma_config", gemma),
        mock.patch.object(module, "PaliGemmaForConditionalGenerationWithPiGemma", paligemma),
        mock.patch.object(module, "PiGemmaForCausalLM", expert),
    ):
        yield
