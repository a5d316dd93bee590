"""Times activation maximisation on VGG16, 224 x 224, float32, random weights: `python benchmarks/cnn_filters.py [--rounds 3]`.

The classic way, written here from its description: one filter at a time, the network module by module up to the layer, weights left
trainable so that their gradients are computed for nothing, Adam on the normalised picture, in PyTorch; without PyTorch only our times are
printed. The same network is timed as a user's PyTorch module too.
Rounds alternate; the figure is the median of the rounds' ratios, because times on a busy machine mean nothing by themselves.
"""

import argparse
import importlib
import importlib.util
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from octoscope.cnn.filters.maximization import maximize_filters
from octoscope.cnn.filters.maximization_settings import CLASSIC
from octoscope.cnn.networks.graph import GraphNetwork
from octoscope.cnn.networks.network import Network
from octoscope.cnn.networks.steps import Conv, MaxPool, Relu
from octoscope.cnn.networks.vgg16 import random_vgg16_weights, vgg16_network
from octoscope.policies.octo.freed_memory import keep_freed_memory

LAYERS = ("2", "10", "17", "24")
_FILTERS = 2
# Steps that are timed, and those before them that are not.
_STEPS, _FIRST = 6, 2

# Runs a number of steps for one filter.
Classic = Callable[[int, int], None]


def classic_torch(network: GraphNetwork, index: int) -> Classic:
    """Returns the classic loop in PyTorch: modules called one after another, hooks none, weights trainable."""
    torch, modules = importlib.import_module("torch"), torch_modules(network, index)

    def run(filter_index: int, steps: int) -> None:
        picture = torch.rand(1, 3, 224, 224, requires_grad=True)
        optimizer = torch.optim.Adam([picture], lr=0.1, weight_decay=1e-6)
        for _ in range(steps):
            optimizer.zero_grad()
            maps = picture
            for module in modules:
                maps = module(maps)
            (-maps[0, filter_index].mean()).backward()
            optimizer.step()

    return run


def torch_modules(network: GraphNetwork, index: int) -> list[Any]:
    """Returns the network up to a layer as PyTorch modules, weights trainable."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(2)
    modules = []
    for node in network.nodes[: index + 1]:
        if isinstance(node.step, Conv):
            kernel = np.moveaxis(np.asarray(network.weights[node.name]["kernel"]), (0, 1, 2, 3), (2, 3, 1, 0))
            conv = torch.nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1)
            conv.weight.data = torch.tensor(np.ascontiguousarray(kernel))
            conv.bias.data.zero_()
            modules.append(conv)
        elif isinstance(node.step, Relu):
            modules.append(torch.nn.ReLU(inplace=True))
        elif isinstance(node.step, MaxPool):
            modules.append(torch.nn.MaxPool2d(2, 2))
    return modules


def as_module(network: GraphNetwork, index: int, precision: str = "float32") -> Network:
    """Returns the network up to a layer as a user's PyTorch module; its last layer has the same number."""
    sequence = importlib.import_module("torch").nn.Sequential(*torch_modules(network, index))
    return importlib.import_module("octoscope.cnn.networks.torch_network").TorchNetwork(sequence, precision=precision)


def seconds_of(work: Callable[[], object]) -> np.ndarray:
    """Returns how long the work takes: by the clock, and in processor time, which other work on the machine hardly touches."""
    # The other side's threads spin for a while after their work.
    time.sleep(0.02)
    start = time.perf_counter(), time.process_time()
    work()
    return np.array([time.perf_counter() - start[0], time.process_time() - start[1]])


def main() -> None:
    """Prints milliseconds per filter and step of both ways, and their ratio."""
    # As every command does; both sides gain.
    keep_freed_memory()
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", nargs="+", default=list(LAYERS))
    options = parser.parse_args()
    has_torch = importlib.util.find_spec("torch") is not None
    network = vgg16_network(random_vgg16_weights(np.random.default_rng(0)))
    print(f"classic side: {'PyTorch' if has_torch else 'none (PyTorch is not installed)'}")
    print(f"{'layer':<6} {'classic ms':>11} {'octoscope ms':>13} {'ratio':>6} {'processor time':>15}  rounds")
    for layer in options.layers:
        classic = classic_torch(network, int(layer)) if has_torch else None
        contest(layer, classic, network, rounds=options.rounds)
        if classic is not None:
            for precision in ("float32", "bfloat16"):
                module = as_module(network, int(layer), precision)
                contest(layer, classic, module, rounds=options.rounds, note=f"as a PyTorch module, {precision}")


def step_seconds(network: Network, layer: str) -> np.ndarray:
    """Returns what a step of ours takes for each filter: the median of the steps themselves, by the clock and in processor time.

    Not the difference of a long and a short call: a filter that a short one has not yet woken gets a second try, which a long one is
    spared, and the difference then lacks that.
    """
    marks: list[tuple[float, float, int]] = []
    maximize_filters(
        network,
        layer,
        objectives=list(range(_FILTERS)),
        settings=replace(CLASSIC, steps=_STEPS + _FIRST),
        progress=lambda count: marks.append((time.perf_counter(), time.process_time(), count)),
    )
    times = np.array(marks)
    # Steps of the first chunk only, without the first ones.
    steps = np.diff(times[: _STEPS + _FIRST, :2], axis=0)[_FIRST - 1 :]
    return np.median(steps, axis=0) / times[0, 2]


def contest(layer: str, classic: Classic | None, network: Network, *, rounds: int, note: str = "") -> None:
    """Prints one line: both ways in alternating rounds, and the median of the rounds' ratios."""
    step_seconds(network, layer)
    if classic is not None:
        classic(0, 1)
    theirs_ms, ours_ms = [], []
    for _ in range(rounds):
        theirs_ms.append(1000 * seconds_of(lambda: classic(0, _STEPS)) / _STEPS if classic else np.full(2, np.nan))
        ours_ms.append(1000 * step_seconds(network, layer))
    theirs, ratios = np.array(theirs_ms), np.array(theirs_ms) / np.array(ours_ms)
    clock, processor = np.median(ratios, axis=0)
    print(
        f"{layer:<6} {np.median(theirs[:, 0]):>11.1f} {np.median(np.array(ours_ms)[:, 0]):>13.1f} {clock:>6.2f} {processor:>15.2f}  "
        f"{' '.join(f'{ratio:.2f}' for ratio in ratios[:, 0])}  {note}",
        flush=True,
    )


if __name__ == "__main__":
    main()
