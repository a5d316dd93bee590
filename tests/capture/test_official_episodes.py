"""Episodes made of the official program's own inputs: the captured rows are its attention."""

import json

import numpy as np
import pytest

import octoscope as osc
from octoscope.attention.shares import attention_shares
from octoscope.policies.octo.model import OctoModel
from octoscope.views.attention_sheet import render_attention_sheet
from octoscope.views.layout_picture import layout_chart
from official_files import SHARED, nested

FOLDER = SHARED / "fixtures" / "octo"
# Fixture, case, example of the batch. Left out are cases that no recording can give: a camera that fails at one step of a window.
CASES = [
    ("a_lang_primary_diffusion", "case0_text", 0),
    ("a_lang_primary_diffusion", "case1_padded", 0),
    ("a_lang_primary_diffusion", "case2_window1", 0),
    ("a_lang_primary_diffusion", "case3_goal", 0),
    ("b_v10_goal_language", "case0_text", 0),
    ("b_v10_goal_language", "case1_goal", 0),
    ("b_v10_goal_language", "case2_no_wrist", 0),
    ("c_primary256_wrist128", "case0_padded", 0),
    ("d_goal_early_fusion", "case0_goal", 0),
    ("e_film_smallstem16", "case0", 0),
    ("g_proprio_lowdim_discrete", "case0", 0),
    ("g_proprio_lowdim_discrete", "case1_no_proprio", 0),
    ("h_l1_mse_heads", "case0", 0),
]
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the official program's fixtures are not beside this checkout"
)


def episode_of(model, arrays, case, example):
    """An episode whose last window is the case's, with padded history left to the start of the episode."""
    observations = nested(arrays, f"{case}/in/observations/")
    tasks = nested(arrays, f"{case}/in/tasks/")
    real = arrays[f"{case}/in/timestep_pad_mask"][example].astype(bool)
    recorded = {key: value[example][real] for key, value in observations.items() if hasattr(value, "shape")}
    words = tasks.get("language_instruction", {})
    given = tasks.get("pad_mask_dict", {})
    said = ""
    if "input_ids" in words and given["language_instruction"][example]:
        said = model.text_processor.tokenizer.decode(words["input_ids"][example].tolist())
    extras = {key: value for key, value in recorded.items() if not key.startswith(("image_", "timestep"))}
    if hasattr(words, "shape"):
        extras["language_embedding"] = np.tile(words[example], (real.sum(), 1))
    episode = osc.Episode(
        images={key[6:]: value for key, value in recorded.items() if key.startswith("image_")},
        instruction=said,
        actions=None,
        name=f"{case}/{example}",
        dataset="official",
        extras=extras,
    )
    goals = {
        key[6:]: value[example] for key, value in tasks.items() if key.startswith("image_") and given[key][example]
    }
    return episode, said or None, goals or None, len(real)


@pytest.mark.parametrize(("name", "case", "example"), CASES, ids=lambda value: str(value)[:20])
def test_captured_rows_are_the_official_ones(name, case, example):
    model = OctoModel.load_pretrained(FOLDER / name / "ckpt")
    with np.load(FOLDER / name / "io.npz") as file:
        arrays = dict(file)
    episode, said, goals, window = episode_of(model, arrays, case, example)
    run = osc.attend(
        model,
        episode,
        steps=[len(episode) - 1],
        options=osc.WatchOptions(
            query_groups="all", instruction=said, goal_images=goals, window=window, dtype="float32"
        ),
    )
    step = run.steps[0]
    ours = run.attention_matrix(step=step)
    rows = arrays.get(f"{case}/attn_rows", np.arange(run.layout.size))
    # At padded timesteps the original was fed noise where an episode repeats its first frame; only queries there can tell.
    real = run.timestep_pad_mask(step=step)
    spans = [span for span in run.layout.spans if span.timestep is not None and not real[span.timestep]]
    padded = [place for span in spans for place in range(span.start, span.stop)]
    kept = ~np.isin(rows, padded)
    for layer, expected in nested(arrays, f"{case}/attn/").items():
        got = ours[int(layer.removeprefix("layer_"))][:, rows[kept]]
        np.testing.assert_allclose(got, expected[example][:, kept], atol=5e-5)
    query = ours[:, :, -1]
    np.testing.assert_allclose(sum(attention_shares(run.layout, query).values()), 1.0, atol=1e-5)
    (panel,) = layout_chart(run.layout, title=name, pad=run.token_pad(step=step)).panels
    assert len(panel.mask) == run.layout.size
    assert render_attention_sheet(run, step=step, layer=0).ndim == 3
    assert json.dumps(run.manifest["observations"])
