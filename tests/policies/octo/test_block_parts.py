"""The parts of a block, put together, against the block itself."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from octoscope.policies.octo.network import block_parts
from octoscope.policies.octo.network.attention import EncoderBlock


def test_the_parts_make_the_block():
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(2.0, 3.0, (2, 5, 8)).astype(np.float32))
    mask = jnp.asarray(rng.random((2, 1, 5, 5)) < 0.6)
    module = EncoderBlock(mlp_dim=12, num_heads=2)
    shapes = jax.eval_shape(module.init, jax.random.key(0), x, mask)["params"]
    params = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(0, 0.5, leaf.shape).astype(np.float32)), shapes)
    h = block_parts.attention_input(params, x)
    q, k, v = (block_parts.project_heads(params, name, h) for name in ("query", "key", "value"))
    weights = block_parts.masked_softmax(jnp.einsum("bqhc,bkhc->bhqk", q, k), mask)
    found = block_parts.block_output(params, x, jnp.einsum("bhqk,bkhc->bqhc", weights, v))
    whole: Any = module.apply({"params": params}, x, mask)
    np.testing.assert_allclose(found, whole, atol=1e-5)
