"""LeRobot datasets, versions 2.0 to 3.0, read with pyarrow and PyAV alone."""
