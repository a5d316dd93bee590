"""`octoscope cnn layers`: what can be typed."""

from dataclasses import dataclass, field

from octoscope.studies.options.given import GivenNetwork
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
    of_policy: GivenNetwork = field(default_factory=GivenNetwork)

    def unused(self) -> dict[str, str]:
        """Returns the options that would change nothing beside the others, and why."""
        return self.of_policy.unused_of(self.network)
