"""Makes the drawn policy and episodes anew: `python -m factory.demo.make_drawn`. Same seeds, same files."""

import shutil

from factory.demo.drawn_episodes import DATASET, action_statistics, drawn_episode, drawn_words
from factory.demo.random_policy import write_random_policy
from octoscope.embedded import files
from octoscope.episodes.rlds_writer import write_rlds

NAME = "drawn"


def main() -> None:
    """Replaces both folders below `factory/drawn`."""
    episodes = [drawn_episode(seed) for seed in range(4)]
    for folder in (files.policy_directory(NAME), files.episodes_directory(NAME)):
        shutil.rmtree(folder, ignore_errors=True)
    write_rlds(files.episodes_directory(NAME), name=DATASET, episodes={"train": episodes})
    write_random_policy(
        files.policy_directory(NAME), words=drawn_words(), statistics={DATASET: action_statistics(episodes)}
    )


if __name__ == "__main__":
    main()
