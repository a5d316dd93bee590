"""The points at which an ACT's encodings are read: the residual streams of its encoder and of its decoder."""

from octoscope.policies.act.config import ActConfig
from octoscope.policies.act.forward import ActEncodings
from octoscope.policies.act.stacks import DECODER, ENCODER, AnyArray
from octoscope.tokens.encoding_point import EncodingPoint


def act_points(config: ActConfig, tokens: int) -> tuple[EncodingPoint, ...]:
    """Returns every point, in the order of the forward.

    The decoder's queries start as zeros, so its stream begins behind the first layer.

    Args:
      config: The network.
      tokens: Of the encoder.

    >>> points = act_points(ActConfig(("observation.images.top",), 14, None, 14), 302)
    >>> [point.name for point in points if point.stack == "encoder"][:2], points[-1].shape
    (['encoder.input', 'encoder.0.residual'], (100, 512))
    """
    shape, axes = (tokens, config.dim_model), (f"token_{ENCODER}", "embed")
    points = [EncodingPoint(f"{ENCODER}.input", shape, axes, "model.encoder", None, False, "input", ENCODER)]
    rows = {ENCODER: (config.encoder_layers, tokens), DECODER: (config.decoder_layers, config.chunk_size)}
    for stack, (layers, count) in rows.items():
        for layer in range(layers):
            name, module = f"{stack}.{layer}.residual", f"model.{stack}.layers.{layer}"
            shape, axes = (count, config.dim_model), (f"token_{stack}", "embed")
            points.append(EncodingPoint(name, shape, axes, module, None, False, "residual", stack, layer))
    return tuple(points)


def at_point(encodings: ActEncodings, point: EncodingPoint) -> AnyArray:
    """Returns what one forward gave at a point."""
    stages = encodings.encoder if point.stack == ENCODER else encodings.decoder
    return stages[0 if point.layer is None else point.layer + 1]
