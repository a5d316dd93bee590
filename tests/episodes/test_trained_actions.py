import json
from pathlib import Path

import numpy as np
import pytest

from octoscope.episodes.image_codec import encode_png
from octoscope.episodes.rlds_episode import episode_from_example
from octoscope.episodes.trained_actions import TRAINED_ACTIONS, action_remark

MAPPING = Path(__file__).parents[2].parent / "shared" / "oxe-mapping.json"


@pytest.mark.parametrize(
    ("dataset", "actions", "said"), [("bridge_dataset", 7, True), ("my_robot", 7, False), ("toto", 0, False)]
)
def test_an_episode_whose_actions_training_changed_says_so(dataset: str, actions: int, said: bool) -> None:
    """Not where the dataset is unknown, nor where no action is compared because none was recorded as one."""
    example = {"steps/observation/image": [encode_png(np.zeros((4, 4, 3), np.uint8))] * 2, "steps/task": [b"lift"] * 2}
    if actions:
        example["steps/action"] = np.zeros(2 * actions, np.float32)
    cameras = {"primary": "steps/observation/image"}
    episode = episode_from_example(example, declared={}, cameras=cameras, name="x/0", dataset=dataset)
    assert episode.remarks == ((action_remark(dataset),) if said else ())
    if said:
        assert "state[t+1,:6]-state[t,:6]; last step dropped" in episode.remarks[0]


def test_datasets_are_those_that_the_originals_transforms_change() -> None:
    if not MAPPING.exists():
        pytest.skip("needs the facts of Octo's datasets, which are not part of this repository")
    facts = json.loads(MAPPING.read_text())["datasets"]
    changed = {name for name, of in facts.items() if of["action"] != "action" or of.get("relabel") or of.get("stride")}
    assert set(TRAINED_ACTIONS) == changed
    assert len(changed) == 49
