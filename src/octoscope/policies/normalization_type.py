"""How a dataset's actions were normalised for training."""

from enum import StrEnum


class NormalizationType(StrEnum):
    """How a dataset's actions were normalised for training."""

    NORMAL = "normal"  # zero mean, unit variance
    BOUNDS = "bounds"  # 1st to 99th percentile to -1..1
