"""`octoscope cnn layers`: the names of a network's layers."""

from octoscope.cnn.networks.sources import open_network
from octoscope.escaping.terminal import say
from octoscope.studies.options.cnn_layers import CnnLayersOptions


class CnnLayers(CnnLayersOptions):
    """`octoscope cnn layers` at work."""

    def __call__(self) -> None:
        """Prints one line per layer."""
        network = open_network(self.network, camera=self.camera)
        size = " x ".join(map(str, network.input_size))
        say(f"{network.name}: pictures of {size}{f'; {network.note}' if network.note else ''}")
        say(f"{'name':<26} {'index':<6} {'kind':<10} {'filters':>7}  size")
        for layer in network.layers:
            index = layer.aliases[0] if layer.aliases else "-"
            say(f"{layer.name:<26} {index:<6} {layer.kind:<10} {layer.channels:>7}  {layer.size[0]} x {layer.size[1]}")
