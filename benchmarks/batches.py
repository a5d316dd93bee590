"""Several steps of an episode in one forward, at octo-small-1.5's size: `python benchmarks/batches.py [ROUNDS SIZES...]`.

The time of a step in forwards of 1, 2, 4, ... steps, each with 17 rows of attention brought to the host: which `--batch` suits the device.
"""

import sys

import jax
from alternating import alternate, median_ratio, print_machine
from step_time import random_octo

from octoscope.policies.octo.recording.step_batch import StepBatch


def main(rounds: str = "5", *sizes: str) -> None:
    """Prints steps per second, and the time of a step to that in a forward of its own."""
    model = random_octo()
    observation, task = model.example_batch["observation"], model.example_batch["task"]
    layout = model.token_layout(observation, task)
    groups = ("readout_action", "obs_task_language")
    rows = tuple(int(place) for group in groups for place in layout.select(group, timestep=-1))
    batch = StepBatch("action", rows, None, tuple(range(model.num_layers)), None, "float16")
    keys = list(jax.random.split(jax.random.PRNGKey(0), 64))

    def act(size):
        return batch.act(model, [observation] * size, task, keys[:size], size=size)

    chosen = [1, *(int(size) for size in sizes or ("2", "4", "8"))]
    times = alternate({str(size): lambda size=size: act(size) for size in chosen}, rounds=int(rounds))
    print_machine(int(rounds))
    for size in chosen:
        clock, processor = (median_ratio(times, str(size), "1", clock=clock) / size for clock in (0, 1))
        best = min(one for one, _ in times[str(size)]) / size
        print(
            f"batch {size:3d}: at best {1 / best:6.2f} steps/s; a step to one alone {clock:.3f} (processor time {processor:.3f})"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
