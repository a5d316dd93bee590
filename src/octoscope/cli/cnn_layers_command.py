"""`octoscope cnn layers`: the names of a network's layers."""

from dataclasses import dataclass

from tyro.conf import Positional

from octoscope.cnn.sources import open_network
from octoscope.escaping.terminal import say


@dataclass(frozen=True)
class CnnLayers:
    """List a network's layers: name, index, kind, filters, rows and columns.

    Example:

    octoscope cnn layers demo --camera wrist
    """

    # 'embedded', 'vgg16', 'vgg16:FILE', 'resnet18:FILE', 'squeezenet:FILE', or a policy: a folder, 'hf://owner/name', 'demo'.
    network: Positional[str]
    # Which image encoder of a policy; the first by default.
    camera: str | None = None

    def __call__(self) -> None:
        """Prints one line per layer."""
        network = open_network(self.network, camera=self.camera)
        size = " x ".join(map(str, network.input_size))
        say(f"{network.name}: pictures of {size}{f'; {network.note}' if network.note else ''}")
        say(f"{'name':<26} {'index':<6} {'kind':<10} {'filters':>7}  size")
        for layer in network.layers:
            index = layer.aliases[0] if layer.aliases else "-"
            say(f"{layer.name:<26} {index:<6} {layer.kind:<10} {layer.channels:>7}  {layer.size[0]} x {layer.size[1]}")
