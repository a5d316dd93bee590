"""What capture costs beside the same forward without it, at octo-small-1.5's size: `python benchmarks/capture_overhead.py [ROUNDS]`.

Rows of the readout and the words are to cost at most 1.05 of the plain forward; the whole matrix, copied to the host as today's tools
do, stands beside them.
"""

import sys

import jax
import numpy as np
from alternating import alternate, print_machine, print_table
from step_time import random_octo

import octoscope as osc


@jax.jit
def halved(states):
    """Returns the weights in float16, as a run keeps them; the cast is on the device, because NumPy is slow on subnormal numbers."""
    return osc.attention_weights(states).astype("float16")


def main(rounds: int = 7) -> None:
    """Prints the ratios."""
    model = random_octo()
    observation, task = model.example_batch["observation"], model.example_batch["task"]
    layout = model.token_layout(observation, task)
    groups = ("readout_action", "obs_task_language")
    rows = tuple(int(place) for group in groups for place in layout.select(group, timestep=-1))
    rng = jax.random.PRNGKey(0)

    def plain():
        return np.asarray(model.act(observation, task, rng=rng)[0])

    def chosen_rows():
        actions, states = model.act(observation, task, rng=rng, watch=True, query_rows=rows)
        return np.asarray(actions), np.asarray(halved(states))

    def everything():
        actions, states = model.act(observation, task, rng=rng, watch=True)
        return np.asarray(actions), np.asarray(osc.attention_weights(states))

    ways = {
        "plain forward": plain,
        f"and {len(rows)} rows in float16 on the host": chosen_rows,
        "and all N x N on the host": everything,
    }
    print_machine(rounds)
    print_table(alternate(ways, rounds=rounds), "plain forward", {f"and {len(rows)} rows in float16 on the host": 1.05})


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
