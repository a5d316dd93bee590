"""Times loading a policy of octo-small-1.5's size, each way in a fresh process: `python benchmarks/load_time.py [CHECKPOINT]`.

Peak memory is what the process held at most (Linux's VmHWM), less what it held before loading: 1.00 of the weights is one copy.
"whole" is what any simple loader does: Flax reads the whole file, then everything goes to the device. Times are the best of five
on a warm page cache; compare ratios, not times from elsewhere.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from octoscope.policies.octo.checkpoint.convert import convert_checkpoint

RUNS = 5
WAYS = {
    "whole": """
from flax import serialization
def load(file, expected):
    return jax.device_put(serialization.msgpack_restore(file.read_bytes()))
""",
    "library": """
from safetensors.numpy import load_file
from flax import traverse_util
def load(file, expected):
    return jax.device_put(traverse_util.unflatten_dict(load_file(file), sep="/"))
""",
    "octoscope": """
from octoscope.policies.octo.checkpoint.checkpoint import open_params
from octoscope.policies.octo.checkpoint.load_params import load_params
def load(file, expected):
    folder = next(p for p in file.parents if p.name.isdigit())
    return load_params(open_params(folder.parent, int(folder.name)), expected)
""",
}
MEASURE = """
import json, sys, time
from pathlib import Path
import jax
{way}
from octoscope.policies.octo.checkpoint.checkpoint import open_params
from flax import traverse_util
def memory(name):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024
file = Path({file!r})
folder = next(p for p in file.parents if p.name.isdigit())
specs = open_params(folder.parent, int(folder.name)).specs
expected = traverse_util.unflatten_dict({{k: jax.ShapeDtypeStruct(s.shape, s.dtype) for k, s in specs.items()}}, sep="/")
jax.block_until_ready(jax.device_put(1.0))
before = memory("VmRSS")
start = time.perf_counter()
params = jax.block_until_ready(load(file, expected))
seconds = time.perf_counter() - start
print(json.dumps([seconds, memory("VmHWM") - before, sum(x.nbytes for x in jax.tree.leaves(params))]))
"""


def measure(way: str, file: Path) -> tuple[float, float]:
    """Returns (seconds, peak memory as a multiple of the weights) of the best of several fresh processes."""
    runs: list[tuple[float, float]] = []
    for _ in range(RUNS):
        code = MEASURE.format(way=WAYS[way], file=str(file))
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        seconds, peak, weights = json.loads(done.stdout)
        runs.append((seconds, peak / weights))
    return min(runs)


def main() -> None:
    """Prints a table of ways to load."""
    with tempfile.TemporaryDirectory() as scratch:
        if len(sys.argv) > 1:
            checkpoint = Path(sys.argv[1])
        else:
            from step_time import random_octo

            checkpoint = Path(scratch) / "small"
            random_octo().save_pretrained(checkpoint)
        fast = convert_checkpoint(checkpoint, Path(scratch) / "fast").file
        msgpack = next(checkpoint.glob("*/default/checkpoint"))
        rows = [
            ("msgpack, whole file by Flax", "whole", msgpack),
            ("msgpack, octoscope", "octoscope", msgpack),
            ("safetensors, by its library", "library", fast),
            ("safetensors, octoscope", "octoscope", fast),
        ]
        figures = {label: measure(way, file) for label, way, file in rows}
        first = figures[rows[0][0]][0]
        print(f"{'':<30} {'seconds':>8} {'ratio':>6}  {'peak memory / weights':>22}")
        for label, (seconds, peak) in figures.items():
            print(f"{label:<30} {seconds:>8.2f} {seconds / first:>6.2f}  {peak:>22.2f}")


if __name__ == "__main__":
    main()
