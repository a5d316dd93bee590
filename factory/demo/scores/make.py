"""Scores a policy of the table-top: `python -m factory.demo.scores.make CHECKPOINT -o scores.json`."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from factory.demo.scores.closed_loop import score_closed_loop
from factory.demo.scores.occlusion import score_occlusion
from factory.demo.scores.pointing import best_head, score_pointing, score_switch
from factory.demo.scores.scenes import draw_scenes
from octoscope.policies.octo.model import OctoModel

# Scenes to choose the best head on, and scenes to score it on; training has the seeds below a thousand.
_CHOOSING, _SCORING, _REWORDED = 1_000_001, 1_000_002, 1_000_003
_SEEDS = (2_000_001, 2_000_002)


@dataclass(frozen=True)
class Scores:
    """Success, pointing, switching and occlusion on scenes that training never showed."""

    checkpoint: Annotated[str, tyro.conf.Positional]
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    # Closed-loop episodes per family, setting and seed; 0 leaves them out.
    episodes: int = 100
    # Scenes for the scores of attention.
    scenes: int = 400
    # Timesteps the policy sees.
    window: int = 2

    def __call__(self) -> None:
        """Writes the file in one move."""
        model = OctoModel.load_pretrained(self.checkpoint)
        head = best_head(model, draw_scenes(self.scenes // 2, seed=_CHOOSING), window=self.window)
        scenes = draw_scenes(self.scenes, seed=_SCORING)
        reworded = draw_scenes(self.scenes, seed=_REWORDED, held_out_wording=True)
        scores = {
            "best_head": head,
            "pointing": score_pointing(model, scenes, head=head, window=self.window),
            "pointing_held_out_wording": score_pointing(model, reworded, head=head, window=self.window),
            "switch": score_switch(model, scenes, head=head, window=self.window),
            "occlusion": score_occlusion(model, scenes, window=self.window),
            "closed_loop": score_closed_loop(model, seeds=_SEEDS, episodes=self.episodes, window=self.window)
            if self.episodes
            else [],
        }
        partial = self.output.with_name(self.output.name + ".partial")
        partial.write_text(json.dumps(scores, indent=1) + "\n")
        os.replace(partial, self.output)  # noqa: PTH105


if __name__ == "__main__":
    tyro.cli(Scores)()
