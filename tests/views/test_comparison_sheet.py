"""Two of anything on one sheet: each on the same scale, and the signed difference."""

import numpy as np
import pytest

from octoscope.attention.maps import attention_maps
from octoscope.cli.main import main
from octoscope.errors import RunError, SelectionError
from octoscope.render.scale_strip import ScaleStrip
from octoscope.studies.compare import compare
from octoscope.studies.options.compare import CompareOptions
from octoscope.views.comparison_sheet import comparison_sheet
from tests.hand_made_runs import HEADS, LAYERS, hand_made_run, random_weights

TOLD = {"policy_sha256": "a" * 64, "seed": 0}


def other_weights(visible, step):
    return random_weights(visible, step + 100)


@pytest.fixture(scope="module")
def first():
    return hand_made_run(told=TOLD)


@pytest.fixture(scope="module")
def second():
    return hand_made_run(other_weights, told={**TOLD, "instruction": "lift ball"})


def now(run, step, layer):
    (found,) = (each for each in attention_maps(run, step=step, layer=layer) if not each.steps_back)
    return found.weights


def test_the_last_row_is_the_second_less_the_first(first, second):
    sheet = comparison_sheet([first, second], step=2, layer=1)
    assert [row.label for row in sheet.rows] == ['"push ball"', '"lift ball"', "difference"]
    strip, mean, empty, *heads = sheet.rows[2].tiles
    difference = now(second, 2, 1) - now(first, 2, 1)
    np.testing.assert_allclose(mean.heat, now(second, 2, 1).mean(axis=0) - now(first, 2, 1).mean(axis=0), rtol=1e-6)
    for head, tile in enumerate(heads):
        np.testing.assert_array_equal(tile.heat, difference[head])
        assert tile.note == f"sum {difference[head].sum():+.2f}"
    assert len(heads) == HEADS
    assert empty is None
    assert isinstance(strip, ScaleStrip)
    # 0 in the middle, and nothing beyond the ends.
    assert strip.scale.vmin == -strip.scale.vmax
    assert strip.scale.vmax == max(float(np.abs(tile.heat).max()) for tile in (mean, *heads))
    assert sheet.title.startswith("Same frame, other words: ")


def test_rows_are_named_by_what_differs(first):
    tuned = hand_made_run(other_weights, told={**TOLD, "policy_sha256": "b" * 64})
    sheet = comparison_sheet([first, tuned], step=1, layer=0)
    assert [row.label for row in sheet.rows[:2]] == ["hand-made (aaaaaa)", "hand-made (bbbbbb)"]
    assert sheet.title.startswith("Same frame, other policy: ")
    steps = comparison_sheet([first], step=[1, 3], layer=0)
    assert [row.label for row in steps.rows] == ["step 1", "step 3", "difference"]
    np.testing.assert_allclose(steps.rows[2].tiles[3].heat, now(first, 3, 0)[0] - now(first, 1, 0)[0], rtol=1e-6)
    assert steps.title.startswith("Same words, other step: ")


def test_what_cannot_be_compared_is_refused(first):
    with pytest.raises(SelectionError, match="must have one seed, got 0, 1"):
        comparison_sheet([first, hand_made_run(told={**TOLD, "seed": 1})], step=1, layer=0)
    with pytest.raises(SelectionError, match="Several runs are compared at one step, got 2"):
        comparison_sheet([first, first], step=[1, 2], layer=0)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name, weights, words in (("a", random_weights, "push ball"), ("b", other_weights, "lift ball")):
        (folder / name).mkdir()
        hand_made_run(
            weights,
            steps=[1, 2] if name == "a" else [2, 3],
            store=folder / name / "run.zarr",
            told={**TOLD, "instruction": words},
        )
    return folder


def test_runs_are_compared_at_the_steps_that_both_hold(stored, tmp_path):
    folder = compare(CompareOptions((stored / "a", stored / "b"), output=tmp_path))
    assert sorted(path.name for path in folder.iterdir()) == [f"step_2_layer_{layer}.png" for layer in range(LAYERS)]
    with pytest.raises(SelectionError, match="Step 1 is not in every run; all hold: 2"):
        compare(CompareOptions((stored / "a", stored / "b"), steps="1", output=tmp_path / "other"))


def test_two_steps_of_a_run_go_beside_it(stored, capsys):
    main(["compare", str(stored / "a"), "--steps", "1,2", "--layers", "0"])
    assert [path.name for path in (stored / "a" / "comparison").iterdir()] == ["step_1_2_layer_0.png"]
    assert "the second less the first" in capsys.readouterr().out
    for runs, error, message in (
        ((stored / "b",), SelectionError, "such as --steps 2,8; got 1"),
        ((stored / "a", stored / "b", stored / "a"), SelectionError, "got 3 runs"),
        ((stored / "nothing.zarr", stored / "a"), RunError, "nothing"),
    ):
        with pytest.raises(error, match=message):
            compare(CompareOptions(runs, steps="2" if len(runs) == 1 else "all", output=stored / "new"))
    assert not (stored / "new").exists()


def test_other_words_beside_an_episodes_own(tmp_path, capsys):
    main(["attend", "drawn", "drawn", "--steps", "1", "--layers", "1", "--beside", "lift it", "-o", str(tmp_path)])
    assert {"own_words", "other_words", "comparison"} <= {path.name for path in tmp_path.iterdir()}
    assert [path.name for path in (tmp_path / "comparison").iterdir()] == ["step_1_layer_1.png"]
    main(
        [
            "attend",
            "drawn",
            "drawn",
            "--steps",
            "1",
            "--layers",
            "1",
            "--beside",
            str(tmp_path / "other_words"),
            "-o",
            str(tmp_path / "again"),
        ]
    )
    assert (tmp_path / "again/comparison/step_1_layer_1.png").exists()
    assert "second less the first" in capsys.readouterr().out
