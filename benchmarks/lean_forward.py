"""The forward that does only what is read against the plain one: `python benchmarks/lean_forward.py [ROUNDS [small|base]]`.

At octo-small-1.5's size, or octo-base's; both capture the rows of readout and words. Bound: 0.93 of the plain forward, 0.95 for octo-base.
A new episode at every step shows what sharing the task and the frames gains.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
from alternating import alternate, print_machine, print_table
from step_time import random_octo

import octoscope as osc
from octoscope.policies.octo.lean.lean_episode import LeanEpisode


def main(rounds: str = "7", size: str = "small") -> None:
    """Prints the ratios, and how far the results lie apart."""
    model = random_octo(size)
    rng = np.random.default_rng(0)
    observation = dict(model.example_batch["observation"])
    for key in model.image_sizes:
        observation[key] = rng.integers(0, 256, observation[key].shape, np.uint8)
    task = model.example_batch["task"]
    layout = model.token_layout(observation, task)
    groups = ("readout_action", "obs_task_language")
    rows = tuple(int(place) for group in groups for place in layout.select(group, timestep=-1))
    key = jax.random.PRNGKey(0)
    steps = iter(range(1, 1_000_000))

    def episode(dtype):
        found = LeanEpisode.plan_for(model, task, layout, watched=rows, head="action", dtype=dtype)
        assert found is not None, "octo-small is covered"
        return found

    lean, bf16 = episode(jnp.float32), episode(jnp.bfloat16)

    def step(one):
        at = next(steps)
        # A new frame at every step, as in an episode: the frame before is there already.
        return one.act(observation, [at - 1, at], rng=key)

    def plain():
        return model.act(observation, task, rng=key, watch=True, query_rows=rows)

    ways = {
        "plain forward with rows": plain,
        "lean": lambda: step(lean),
        # An episode that begins anew keeps the compiled programs, and nothing else.
        "lean, nothing shared between steps": lambda: step(episode(jnp.float32)),
        "lean, products of bfloat16": lambda: step(bf16),
    }
    seconds = alternate(ways, rounds=int(rounds))
    print_machine(int(rounds))
    print_table(seconds, "plain forward with rows", {"lean": 0.93 if size == "small" else 0.95})
    actions, states = plain()
    for name, one in {"lean": lean, "bfloat16": bf16}.items():
        others, found = one.act(observation, [0, 1], rng=key)
        weights, captured = osc.attention_weights(states), osc.attention_weights(found)
        print(
            f"{name}: largest difference in attention {float(jnp.abs(weights - captured).max()):.1e}, "
            f"in normalised actions of up to {float(jnp.abs(actions).max()):.1f}: {float(jnp.abs(actions - others).max()):.1e}"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
