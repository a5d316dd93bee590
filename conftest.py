"""What pytest leaves out when an optional package is missing: the doctests of its modules."""

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec("torch") else ["src/octoscope/cnn/torch_*.py"]
