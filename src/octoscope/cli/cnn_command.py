"""`octoscope cnn`: what filters of a convolutional network look for, and what they see in a picture."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from octoscope.cli.cnn_activations_command import CnnActivations
from octoscope.cli.cnn_compare_command import CnnCompare
from octoscope.cli.cnn_features_command import CnnFeatures
from octoscope.cli.cnn_filters_command import CnnFilters
from octoscope.cli.cnn_gradcam_command import CnnGradcam
from octoscope.cli.cnn_layers_command import CnnLayers


@dataclass(frozen=True)
class Cnn:
    """Look into a convolutional network: VGG16, the embedded one, or a policy's own image encoder."""

    command: (
        Annotated[CnnLayers, tyro.conf.subcommand("layers")]
        | Annotated[CnnFilters, tyro.conf.subcommand("filters")]
        | Annotated[CnnActivations, tyro.conf.subcommand("activations")]
        | Annotated[CnnGradcam, tyro.conf.subcommand("gradcam")]
        | Annotated[CnnFeatures, tyro.conf.subcommand("features")]
        | Annotated[CnnCompare, tyro.conf.subcommand("compare")]
    )

    def __call__(self) -> None:
        """Runs the chosen command."""
        self.command()
