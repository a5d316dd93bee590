"""The forward that does only what is read on the official program's fixtures: its attention, and the plain forward's actions."""

import jax
import numpy as np
import pytest

from octoscope.policies.octo.acting import acting_head
from octoscope.policies.octo.lean.lean_episode import LeanEpisode
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.states import attention_weights, token_pad
from official_files import OFFICIAL, SHARED, nested

FOLDERS = [
    OFFICIAL,
    *(
        SHARED / "fixtures" / "octo" / name
        for name in ("b_v10_goal_language", "d_goal_early_fusion", "e_film_smallstem16")
    ),
    SHARED / "fixtures" / "octo" / "g_proprio_lowdim_discrete",
    SHARED / "fixtures" / "octo" / "h_l1_mse_heads",
]
RNG = jax.random.PRNGKey(0)


@pytest.mark.parametrize(
    "folder", [folder for folder in FOLDERS if (folder / "io.npz").is_file()], ids=lambda f: f.name
)
def test_attention_is_the_official_one_and_actions_the_plain_forwards(folder):
    with np.load(folder / "io.npz") as file:
        arrays = {key: file[key] for key in file.files}
    model = OctoModel.load_pretrained(folder / "ckpt")
    head = acting_head(model)
    for case in sorted({key.split("/")[0] for key in arrays if key.startswith("case")}):
        observation = nested(arrays, f"{case}/in/observations/")
        observation["timestep_pad_mask"] = arrays[f"{case}/in/timestep_pad_mask"]
        tasks = nested(arrays, f"{case}/in/tasks/")
        layout = model.token_layout(observation, tasks)
        watched = [
            place
            for span in layout.spans
            if span.timestep == layout.window - 1 and span.source.kind in ("readout", "language")
            for place in range(span.start, span.stop)
        ]
        lean = LeanEpisode.plan_for(model, tasks, layout, watched=watched, head=head)
        if "readout_action" not in layout.groups:
            # The head of this one reads the images: not covered.
            assert lean is None
            continue
        assert lean is not None
        found, states = lean.act(observation, range(layout.window), rng=RNG)
        plain, plain_states = model.act(observation, tasks, rng=RNG, head=head, watch=True)
        weights = np.asarray(attention_weights(states))
        np.testing.assert_allclose(weights, attention_weights(plain_states)[:, :, :, np.array(watched)], atol=1e-5)
        np.testing.assert_array_equal(token_pad(states), token_pad(plain_states))
        # The fixtures' random score networks make a hundred times as much of a difference: 20 steps, each divided by the little
        # that is left of the signal. The official program's own actions are compared to 5e-3.
        np.testing.assert_allclose(found, plain, atol=1e-3)
        official = nested(arrays, f"{case}/attn/")
        if f"{case}/attn_rows" not in arrays:
            for name, expected in official.items():
                layer = int(name.removeprefix("layer_"))
                got = weights[: len(expected), layer]
                np.testing.assert_allclose(got, expected[:, :, np.array(watched)], atol=5e-5)
