"""`octoscope doctor`: what can be typed."""

from dataclasses import dataclass

from tyro.conf import Positional

from octoscope.studies.options.values import NotNegative


@dataclass(frozen=True)
class DoctorOptions:
    """Say what a checkpoint is, what is wrong with it, and what would be captured from it.

    Exits with 0 when nothing is wrong, with 1 otherwise. Example:

    octoscope doctor hf://rail-berkeley/octo-small-1.5
    """

    # A folder, 'hf://owner/name', or 'demo'.
    checkpoint: Positional[str]
    # Training step of the parameters; the latest by default.
    checkpoint_step: NotNegative | None = None
    # Print JSON instead of text.
    json: bool = False
