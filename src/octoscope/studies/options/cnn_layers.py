"""`octoscope cnn layers`: what can be typed."""

from dataclasses import dataclass

from tyro.conf import Positional


@dataclass(frozen=True)
class CnnLayersOptions:
    """List a network's layers: name, index, kind, filters, rows and columns.

    Example:

    octoscope cnn layers demo --camera wrist
    """

    # 'embedded', 'vgg16', 'vgg16:FILE', 'resnet18:FILE', 'squeezenet:FILE', or a policy: a folder, 'hf://owner/name', 'demo'.
    network: Positional[str]
    # Which image encoder of a policy; the first by default.
    camera: str | None = None
