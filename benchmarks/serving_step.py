"""Times a control loop with and without attention, at octo-small-1.5's size: `python benchmarks/serving_step.py`.

Plain and watched steps alternate in one run, so that other work on the machine hits both; the ratio of their medians must stay
below 1.15. Weights are random: times do not depend on them.
"""

import dataclasses
import statistics
import sys
import time

import jax
import numpy as np
from step_time import random_octo

import octoscope as osc
from factory.demo.word_tokenizer import word_tokenizer
from octoscope.policies.octo.words.text import WordPieces

PAIRS = 10
BOUND = 1.15
WORDS = "put the carrot on the plate"


def speaking_policy() -> osc.OctoModel:
    """Returns the random policy with words and action statistics, which a control loop needs."""
    model = random_octo()
    tokenizer = word_tokenizer(sorted(set(WORDS.split())))
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding(length=16, pad_token="<pad>")
    action = {"mean": np.zeros(7), "std": np.ones(7), "mask": np.ones(7, bool)}
    checkpoint = dataclasses.replace(model.checkpoint, dataset_statistics={"bridge_dataset": {"action": action}})
    return dataclasses.replace(model, text_processor=WordPieces(tokenizer), checkpoint=checkpoint)


def seconds_of(call) -> float:
    """Returns how long one call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    """Prints the times, and fails when watching costs more than it may."""
    rng = np.random.default_rng(0)
    frames = {
        "image_primary": rng.integers(0, 256, (480, 640, 3), np.uint8),
        "image_wrist": rng.integers(0, 256, (240, 320, 3), np.uint8),
    }
    policy = osc.Policy(speaking_policy(), instruction=WORDS)
    print(f"{jax.devices()[0].device_kind}, frames of 480 x 640 and 240 x 320")
    print(f"first step (compiles)              {seconds_of(lambda: policy.step(frames)):7.2f} s")
    print(f"first watched step (compiles)      {seconds_of(lambda: policy.step(frames, watch=True)):7.2f} s")
    plain, watched, results = [], [], []
    for _ in range(PAIRS):
        plain.append(seconds_of(lambda: policy.step(frames)))
        watched.append(seconds_of(lambda: results.append(policy.step(frames, watch=True))))
    attention = results[-1].attention
    ratio = statistics.median(watched) / statistics.median(plain)
    shapes = {group: rows.shape for group, rows in attention.weights.items()}
    print(f"{attention.layout.size} tokens; kept per step (layer, head, query, key): {shapes}")
    print(
        f"step                               {statistics.median(plain):7.3f} s  ({min(plain):.3f} to {max(plain):.3f})"
    )
    print(
        f"step with attention                {statistics.median(watched):7.3f} s  ({min(watched):.3f} to {max(watched):.3f})"
    )
    print(f"ratio of {PAIRS} alternating pairs      {ratio:7.3f}, allowed {BOUND}")
    policy.reset()
    print(f"first step of the next episode     {seconds_of(lambda: policy.step(frames)):7.3f} s")
    if ratio > BOUND:
        sys.exit(f"Watching costs {ratio:.3f} of a step, more than {BOUND}.")


if __name__ == "__main__":
    main()
