"""Saliency and class activation maps: the classic one-filter-at-a-time way against ours, in alternating rounds.

    python benchmarks/cnn_saliency.py --rounds 3

The classic side (needs PyTorch) is written from its description: guided backprop by a backward hook on every ReLU module, weights left
trainable, one forward and one whole backward per filter; Grad-CAM by a forward and a backward hook; Ablation-CAM with one whole forward
per channel. VGG16 at 224 x 224 and ResNet18, random weights, float32. Prints the median of the per-round ratios. Without PyTorch only
our times are printed.
"""

import argparse
import importlib.util
import time

import jax
import numpy as np

from octoscope.cnn.activation_maps.activation_maps import ablation_cam, grad_cam
from octoscope.cnn.activation_maps.class_score import class_score
from octoscope.cnn.networks.resnet18 import random_resnet18_arrays, resnet18_network
from octoscope.cnn.networks.vgg16 import random_vgg16_weights, vgg16_network
from octoscope.cnn.saliency.saliency import filter_saliency
from octoscope.policies.octo.freed_memory import keep_freed_memory

SIZE = 224


def classic_guided(features, image, index, filters):
    """Runs forward and backward once per filter, with hooks on every ReLU."""
    import torch

    hooks = [
        module.register_full_backward_hook(lambda _module, given, _got: (given[0].clamp(min=0),))
        for module in features
        if isinstance(module, torch.nn.ReLU)
    ]
    for number in filters:
        seen = image.clone().requires_grad_()
        values = seen
        for place, module in enumerate(features):
            values = module(values)
            if place == index:
                break
        features.zero_grad()
        values[0, number].mean().backward()
    for hook in hooks:
        hook.remove()


def classic_grad_cam(module, image, target):
    """Runs one forward and one whole backward with hooks on the last block."""
    kept = {}
    block = module.layer4[-1]
    hooks = [
        block.register_forward_hook(lambda _m, _i, out: kept.update(activation=out)),
        block.register_full_backward_hook(lambda _m, _i, out: kept.update(gradient=out[0])),
    ]
    module.zero_grad()
    module(image.clone().requires_grad_())[0, target].backward()
    for hook in hooks:
        hook.remove()
    return (kept["gradient"].mean((2, 3), keepdim=True) * kept["activation"]).sum(1).clamp(min=0)


def classic_ablation_cam(module, image, target, channels):
    """Runs one whole forward per channel, with a hook that sets it to 0."""
    import torch

    falls = []
    with torch.no_grad():
        whole = module(image)[0, target]
        for channel in channels:

            def without(_module, _inputs, output, channel=channel):
                output = output.clone()
                output[:, channel] = 0
                return output

            hook = module.layer4[-1].register_forward_hook(without)
            falls.append(whole - module(image)[0, target])
            hook.remove()
    return falls


def seconds(run) -> np.ndarray:
    """Returns the seconds of one call: by the clock, and in processor time, which other work on the machine hardly touches."""
    # The other side's threads spin for a while after their work.
    time.sleep(0.02)
    start = time.perf_counter(), time.process_time()
    run()
    return np.array([time.perf_counter() - start[0], time.process_time() - start[1]])


def contest(title, classic, ours, *, rounds, per, classic_times=1.0):
    """Prints milliseconds per unit of work and the median ratio of alternating rounds.

    Args:
      title: Of the line.
      classic: The other side, or None.
      ours: Our side.
      rounds: How many of each.
      per: Units of work in one call of ours.
      classic_times: How many times the classic call must be counted to do the same work.
    """
    ours()
    if classic is not None:
        classic()
    none = np.full(2, np.nan)
    pairs = np.array([(seconds(classic) * classic_times if classic else none, seconds(ours)) for _ in range(rounds)])
    theirs, mine = np.median(pairs[:, :, 0], axis=0) / per * 1000
    clock, processor = np.median(pairs[:, 0] / pairs[:, 1], axis=0)
    print(
        f"{title:<46} classic {theirs:8.1f} ms   ours {mine:8.1f} ms   ratio {clock:6.2f} (processor time {processor:6.2f})",
        flush=True,
    )


def main() -> None:
    """Runs all contests."""
    # As every command does; both sides gain.
    keep_freed_memory()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--filters", type=int, default=8, help="filters of each call of guided backprop")
    rounds, count = parser.parse_args().rounds, parser.parse_args().filters
    rng = np.random.default_rng(0)
    picture = rng.uniform(0, 255, (SIZE, SIZE, 3)).astype(np.float32)
    vgg = vgg16_network(random_vgg16_weights(rng))
    resnet = resnet18_network(random_resnet18_arrays(rng))
    features, module, image = torch_side() if importlib.util.find_spec("torch") else (None, None, None)
    print(
        f"jax on {jax.devices()[0].device_kind}; {'with' if features is not None else 'without'} PyTorch; {rounds} rounds"
    )
    for layer, index in (("conv3_1", 10), ("relu5_3", 29)):
        few = range(2)
        contest(
            f"guided backprop, {count} filters of {layer} ({index})",
            None if features is None else lambda index=index, few=few: classic_guided(features, image, index, few),
            lambda layer=layer: filter_saliency(vgg, picture, layer, list(range(count)), method="guided"),
            rounds=rounds,
            per=count,
            classic_times=count / len(few),
        )
    contest(
        "Grad-CAM, ResNet18",
        None if module is None else lambda: classic_grad_cam(module, image, 3),
        lambda: grad_cam(class_score(resnet, picture, 3)),
        rounds=2 * rounds + 1,
        per=1,
    )
    some = range(16)
    contest(
        "Ablation-CAM, ResNet18, 512 channels",
        None if module is None else lambda: classic_ablation_cam(module, image, 3, some),
        lambda: ablation_cam(class_score(resnet, picture, 3)),
        rounds=rounds,
        per=1,
        classic_times=512 / len(some),
    )


def torch_side():
    """Returns VGG16's features, a ResNet18 (None without torchvision) and a picture, as PyTorch has them."""
    import torch

    torch.manual_seed(0)
    layers, into = [], 3
    for convs, out in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(convs):
            layers += [torch.nn.Conv2d(into, out, 3, padding=1), torch.nn.ReLU()]
            into = out
        layers.append(torch.nn.MaxPool2d(2))
    module = None
    if importlib.util.find_spec("torchvision"):
        import torchvision

        module = torchvision.models.resnet18().eval()
    return torch.nn.Sequential(*layers), module, torch.randn(1, 3, SIZE, SIZE)


if __name__ == "__main__":
    main()
