"""`octoscope cnn layers`: what can be typed."""

from dataclasses import dataclass

from octoscope.studies.options.vocabulary import Camera, Network


@dataclass(frozen=True)
class CnnLayersOptions:
    """List a network's layers: name, index, kind, filters, rows and columns.

    Example:

    octoscope cnn layers demo --camera wrist
    """

    network: Network
    # Its image encoder is the network; the first by default.
    camera: Camera = None
