"""Tables of episodes whose every number the test chooses: tasks with episodes, and effects that are planted."""

import numpy as np

from octoscope.trends.episode_table import WHOLE, EpisodeLabel, EpisodeTable


def made_table(
    rng,
    *,
    tasks=8,
    episodes=10,
    cells=20,
    measures=("share: words", "relative entropy"),
    verbs=2,
    parts=WHOLE,
    policy="p",
    between=1.0,
) -> EpisodeTable:
    """Returns values of tasks that differ, of episodes that differ within them, and of cells that have nothing in common."""
    labels = tuple(
        EpisodeLabel(
            path=f"run_{task}_{episode}.zarr",
            policy=policy,
            policy_key=policy,
            episode_key=f"{task}-{episode}",
            episode=f"{task}/{episode}",
            dataset="made",
            task=f"task {task}",
            verb=f"verb {task % verbs}",
            thing=f"thing {task % 4}",
            length=10 + episode,
            outcome=None,
        )
        for task in range(tasks)
        for episode in range(episodes)
    )
    shape = (len(parts), cells, len(measures))
    of_task = np.repeat(between * rng.normal(size=(tasks, *shape)), episodes, axis=0)
    values = (of_task + rng.normal(size=(tasks * episodes, *shape))).astype(np.float32)
    nothing = np.zeros_like(values)
    return EpisodeTable(
        labels=labels,
        parts=parts,
        cells=tuple(("transformer", "readout_action", layer, head) for layer in range(cells // 4) for head in range(4)),
        measures=measures,
        values=values,
        even=nothing,
        template=np.full_like(values, np.nan),
        steps=np.full((len(labels), len(parts)), 5.0, np.float32),
    )
