"""Times one step of a random policy of octo-small-1.5's size, or octo-base's: `python benchmarks/step_time.py [small|base]`.

Prints medians of one run on this machine, and the floor that its matrix rate sets; compare ratios, not times from elsewhere.
Weights are random: times do not depend on them.
"""

import statistics
import sys
import time
from pathlib import Path

import jax
import numpy as np

import octoscope as osc
from factory.demo.random_policy import example_batch, policy_config
from octoscope.policies.octo.checkpoint.checkpoint import Checkpoint
from octoscope.policies.octo.checkpoint.config import apply_shims
from octoscope.policies.octo.checkpoint.module_spec import build_module
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.module import OctoModule
from octoscope.policies.octo.network.t5 import T5_CONFIGS

STEPS = 10


# Embedding size, width of the MLPs, heads.
SIZES = {"small": (384, 1536, 6), "base": (768, 3072, 12)}


def random_octo(size: str = "small") -> OctoModel:
    """Returns a random policy of a published size: 12 layers, T5-base, 256- and 128-pixel cameras."""
    embedding, mlp, heads = SIZES[size]
    config = policy_config()
    model = config["model"]
    for tokenizer in model["observation_tokenizers"].values():
        tokenizer["kwargs"]["encoder"]["kwargs"] = {}
    model |= {"token_embedding_size": embedding}
    model["transformer_kwargs"] = {"num_layers": 12, "mlp_dim": mlp, "num_attention_heads": heads}
    model["heads"]["action"]["kwargs"]["hidden_dim"] = 256
    batch = example_batch()
    sizes = {"image_primary": 256, "image_wrist": 128}
    for key, size in sizes.items():
        batch["observation"][key] = np.zeros((1, 2, size, size, 3), np.uint8)
        batch["task"][key] = np.zeros((1, size, size, 3), np.uint8)
    words = np.zeros((1, 16), np.int64)
    batch["task"]["language_instruction"] = {"input_ids": words, "attention_mask": words + 1}
    config = apply_shims(config)
    module = build_module(config["model"], lambda name: T5_CONFIGS["t5-base"])
    observation, task = batch["observation"], batch["task"]
    params = jax.jit(module.init)(jax.random.key(0), observation, task, observation["timestep_pad_mask"])["params"]
    checkpoint = Checkpoint(Path(), 0, config, batch, {})
    return OctoModel(f"random octo-{size}", module, params, None, checkpoint)


def median_seconds(call) -> float:
    """Returns the median of several calls after a first one that compiles."""
    call()
    seconds = []
    for _ in range(STEPS):
        start = time.perf_counter()
        jax.block_until_ready(call())
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def forward_work(model: OctoModel) -> float:
    """Returns the floating-point operations of one step in units of 1e9, as the compiler counts them; a loop counts as one turn."""
    batch = model.example_batch
    observation, task = batch["observation"], batch["task"]

    def act(params):
        mask, rng = observation["timestep_pad_mask"], jax.random.PRNGKey(0)
        return model.module.apply(
            {"params": params}, observation, task, mask, rng, head="action", query_rows=None, method=OctoModule.act
        )

    return jax.jit(act).lower(model.params).compile().cost_analysis()["flops"] / 1e9


def matrix_rate(side: int = 2048) -> float:
    """Returns how many 1e9 operations a second a product of two large matrices reaches here."""
    product = jax.jit(lambda left, right: left @ right)
    left = jax.random.normal(jax.random.key(0), (side, side))
    return 2 * side**3 / median_seconds(lambda: product(left, left)) / 1e9


def main(size: str = "small") -> None:
    """Prints times per step with and without capture, beside the floor."""
    model = random_octo(size)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(model.params))
    observation, task = model.example_batch["observation"], model.example_batch["task"]
    layout = model.token_layout(observation, task)
    readout = tuple(int(i) for i in layout.select("readout_action", timestep=-1))
    words = tuple(int(i) for i in layout.select("obs_task_language", timestep=-1))
    rng = jax.random.PRNGKey(0)
    print(f"{parameters:,} parameters, {layout.size} tokens, {jax.devices()[0].platform}")
    start = time.perf_counter()
    jax.block_until_ready(model.act(observation, task, rng=rng)[0])
    print(f"trace, compile and first step  {time.perf_counter() - start:6.2f} s")
    plain = median_seconds(lambda: model.act(observation, task, rng=rng))
    rows = median_seconds(lambda: model.act(observation, task, rng=rng, watch=True, query_rows=readout + words))
    full = median_seconds(lambda: model.act(observation, task, rng=rng, watch=True))
    print(f"step, nothing captured         {plain:6.3f} s")
    print(f"step, readout and word rows    {rows:6.3f} s  ({rows / plain:.2f})")
    print(f"step, all rows on the device   {full:6.3f} s  ({full / plain:.2f})")
    work, rate = forward_work(model), matrix_rate()
    print(
        f"floor: {work:.1f} GFLOP at {rate:.0f} GFLOP/s of a matrix product = {work / rate:.3f} s, {work / rate / plain:.0%} of the step"
    )
    shapes = [osc.attention_weights(model.act(observation, task, rng=rng, watch=True)[1]).shape]
    print(f"attention of one step: {shapes[0]} (batch, layer, head, query, key)")


if __name__ == "__main__":
    main(*sys.argv[1:])
