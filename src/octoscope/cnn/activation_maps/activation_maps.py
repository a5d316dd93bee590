"""Every class activation map under its name."""

from collections.abc import Callable, Mapping

from octoscope.cnn.activation_maps.ablation_cam import ablation_cam
from octoscope.cnn.activation_maps.cam_result import ActivationMap
from octoscope.cnn.activation_maps.explained_score import ExplainedScore
from octoscope.cnn.activation_maps.grad_cam import grad_cam
from octoscope.cnn.activation_maps.grad_cam_plus_plus import grad_cam_plus_plus
from octoscope.cnn.activation_maps.layer_cam import layer_cam
from octoscope.cnn.activation_maps.score_cam import score_cam
from octoscope.errors import SelectionError, nearest

CAM_METHODS: Mapping[str, Callable[[ExplainedScore], ActivationMap]] = {
    "gradcam": grad_cam,
    "gradcam++": grad_cam_plus_plus,
    "layercam": layer_cam,
    "scorecam": score_cam,
    "ablationcam": ablation_cam,
}


def activation_map(explained: ExplainedScore, method: str = "gradcam") -> ActivationMap:
    """Returns where a layer bears on a score.

    Take "gradcam" on the last layers of a classifier, "layercam" on earlier ones; "ablationcam" to check either without gradients.

    Args:
      explained: From `class_score` or `action_score`.
      method: One of `CAM_METHODS`.

    Raises:
      SelectionError: If there is no such method.

    >>> import numpy as np
    >>> from octoscope.cnn.activation_maps.class_score import class_score
    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> activation_map(class_score(load_embedded_network(), np.full((32, 32, 3), 99), 2)).method
    'Grad-CAM'
    """
    if method not in CAM_METHODS:
        raise SelectionError(
            f"There is no class activation map '{method}'.{nearest(method, CAM_METHODS)} Methods: {', '.join(CAM_METHODS)}."
        )
    return CAM_METHODS[method](explained)
