"""Passes over the readout's row against a forward, at octo-small-1.5's size: `python benchmarks/one_row.py [ROUNDS]`.

Given the keys and values that one forward kept: gradients of an action entry with respect to the readout's attention of all layers and
heads (bound 0.25 of a forward), and 256 patches knocked out one at a time (bound 0.6). Knock-outs are timed to the readout's encoding
and, with 256 times the action head, to the actions.
"""

import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np
from alternating import alternate, print_machine, print_table
from step_time import random_octo

from octoscope.policies.octo.readout.readout_row import ReadoutRow
from octoscope.policies.octo.readout.readout_sets import run_readout_sets


def main(rounds: int = 7) -> None:
    """Prints the ratios."""
    model = random_octo()
    observation, task = model.example_batch["observation"], model.example_batch["task"]
    key = jax.random.PRNGKey(0)
    row = ReadoutRow.keep(model, observation, task, rng=key)
    patches = row.layout.select("obs_primary", timestep=-1)
    sets = np.eye(row.layout.size, dtype=bool)[patches]
    start = int(row.layout.select("readout_action", timestep=-1)[0])

    @jax.jit
    def encode(params, kept, hidden):
        return run_readout_sets(params, kept, hidden, jnp.ones(model.num_layers, bool), start=start)

    knock_outs, actions = (f"{len(patches)} knock-outs, to the {end}" for end in ("encoding", "actions"))
    ways = {
        "forward": lambda: model.act(observation, task, rng=key)[0],
        "forward that keeps keys and values": lambda: ReadoutRow.keep(model, observation, task, rng=key).kept,
        "gradients": functools.partial(row.gradients, horizon_step=0, dimension=0),
        knock_outs: lambda: encode(model.params, row.kept, sets),
        actions: lambda: row.knock_out(sets),
    }
    seconds = alternate(ways, rounds=rounds)
    print_machine(rounds)
    print_table(seconds, "forward", {"gradients": 0.25, knock_outs: 0.6, actions: 0.6})


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
