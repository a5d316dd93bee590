"""`octoscope convert`: what can be typed."""

from dataclasses import dataclass

from octoscope.studies.options.vocabulary import CheckpointStep, Output, Policy


@dataclass(frozen=True)
class ConvertOptions:
    """Write a checkpoint anew with its parameters in one safetensors file, which other programs can read. No bit of them changes.

    Example:

    octoscope convert hf://rail-berkeley/octo-base-1.5 -o octo-base-safetensors
    """

    checkpoint: Policy
    output: Output
    checkpoint_step: CheckpointStep = None
