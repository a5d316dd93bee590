"""`octoscope cnn`: what can be typed."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from octoscope.studies.options.cnn_activations import CnnActivationsOptions
from octoscope.studies.options.cnn_compare import CnnCompareOptions
from octoscope.studies.options.cnn_features import CnnFeaturesOptions
from octoscope.studies.options.cnn_filters import CnnFiltersOptions
from octoscope.studies.options.cnn_gradcam import CnnGradcamOptions
from octoscope.studies.options.cnn_layers import CnnLayersOptions


@dataclass(frozen=True)
class CnnOptions:
    """Look into a convolutional network: VGG16, the embedded one, or a policy's own image encoder."""

    command: (
        Annotated[CnnLayersOptions, tyro.conf.subcommand("layers")]
        | Annotated[CnnFiltersOptions, tyro.conf.subcommand("filters")]
        | Annotated[CnnActivationsOptions, tyro.conf.subcommand("activations")]
        | Annotated[CnnGradcamOptions, tyro.conf.subcommand("gradcam")]
        | Annotated[CnnFeaturesOptions, tyro.conf.subcommand("features")]
        | Annotated[CnnCompareOptions, tyro.conf.subcommand("compare")]
    )
