"""The names of a network's layers."""

from octoscope.cnn.networks.graph import GraphNetwork
from octoscope.cnn.networks.sources import open_network
from octoscope.studies.opening import opening_of
from octoscope.studies.options.cnn_layers import CnnLayersOptions
from octoscope.studies.telling import Tell, silent


def layers(options: CnnLayersOptions, *, tell: Tell = silent, progress: bool = False) -> GraphNetwork:
    """Returns the network, after telling a line for each layer.

    Raises:
      OctoscopeError: If there is no such network or camera.
    """
    network = open_network(options.network, camera=options.camera, opening=opening_of(options.of_policy))
    size = " x ".join(map(str, network.input_size))
    tell(f"{network.name}: pictures of {size}{f'; {network.note}' if network.note else ''}")
    tell(f"{'name':<26} {'index':<6} {'kind':<10} {'filters':>7}  size")
    for layer in network.layers:
        index = layer.aliases[0] if layer.aliases else "-"
        tell(f"{layer.name:<26} {index:<6} {layer.kind:<10} {layer.channels:>7}  {layer.size[0]} x {layer.size[1]}")
    return network
