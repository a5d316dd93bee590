"""Where the parts of a pi0 lie among its weights, without LeRobot's "model." in front."""

PALIGEMMA = "paligemma_with_expert.paligemma."
TEXT = f"{PALIGEMMA}model.language_model."
VISION = f"{PALIGEMMA}model.vision_tower.vision_model."
PROJECTOR = f"{PALIGEMMA}model.multi_modal_projector.linear"
EXPERT = "paligemma_with_expert.gemma_expert.model."
