"""What products of bfloat16 do to the maps, layer by layer: `python benchmarks/bf16.py [CHECKPOINT EPISODES STEPS]`.

Total variation between the readout's attention with and without: the share of its weight that lies elsewhere, 0 to 1, over all heads
and steps. Rounding acts on trained weights in another way than on random ones: measure your own checkpoint.
"""

import sys

import numpy as np

import octoscope as osc


def main(checkpoint: str = "demo", episodes: str = "demo", steps: str = "6") -> None:
    """Prints a line per layer, and how far the actions move."""
    model, episode = osc.OctoModel.load_pretrained(checkpoint), osc.open_episodes(episodes)[0]
    chosen = list(range(min(int(steps), len(episode))))
    runs = [
        osc.attend(
            model,
            episode,
            steps=chosen,
            options=osc.WatchOptions(query_groups="readout", dtype="float32", compute=compute),
        )
        for compute in ("exact", "fast", "bf16")
    ]
    exact, *others = (
        np.stack([run.attention(run.query_groups[0], step=step) for step in chosen], axis=1) for run in runs
    )
    print(f"{model.name}, {len(chosen)} steps of {episode.name}. {model.note}")
    print("total variation     fast: mean      largest   bf16: mean      largest")
    moved = [np.abs(other - exact).sum(axis=-1) / 2 for other in others]
    for layer in range(model.num_layers):
        cells = "".join(f"   {one[layer].mean():10.2e}   {one[layer].max():10.2e}" for one in moved)
        print(f"layer {layer:2d}        {cells}")
    for name, run in zip(("fast", "bf16"), runs[1:], strict=True):
        difference = np.abs(np.asarray(run.actions) - np.asarray(runs[0].actions))
        print(f"normalised actions, {name}: mean difference {difference.mean():.1e}, largest {difference.max():.1e}")


if __name__ == "__main__":
    main(*sys.argv[1:])
