"""Means over episodes with their intervals: where the number of episodes stands, and where there is none."""

import numpy as np
import pytest
from scipy import stats

from octoscope.faithfulness.drop_table import DropExample, DropTable
from octoscope.faithfulness.methods import StepCost
from octoscope.faithfulness.score_table import (
    SCORES,
    Band,
    ExampleStep,
    FaithfulnessTable,
    MethodScores,
    PathGap,
    Score,
)
from octoscope.faithfulness.step_times import StepTimes


def test_steps_are_averaged_within_their_episode_first():
    owners = [0, 0, 0, 1, 2, 3, 4, 5]
    values = [0.0, 1.0, 2.0, 3.0, 2.0, 1.0, 2.0, np.nan]
    score = Score.over(owners, values)
    assert score.episodes == 5
    assert score.mean == pytest.approx(np.mean([1.0, 3.0, 2.0, 1.0, 2.0]))
    known = stats.ttest_1samp([1.0, 3.0, 2.0, 1.0, 2.0], 0.0).confidence_interval(0.95)
    assert score.low <= known.low
    assert score.high >= known.high
    assert str(score) == f"1.800 ({score.low:.3f}..{score.high:.3f}, n = 5)"
    assert str(Score.over([0], [np.nan])) == "-"


def test_a_band_has_the_interval_of_each_point_over_episodes():
    rng = np.random.default_rng(0)
    curves, owners = rng.normal(size=(14, 3)), np.repeat(np.arange(7), 2)
    curves[3, 1] = np.nan
    band = Band.over(owners.tolist(), curves)
    assert band.episodes == 7
    kept = np.arange(14) != 3
    for point in range(3):
        alone = Score.over(owners[kept].tolist(), curves[kept, point])
        assert (band.mean[point], band.low[point], band.high[point]) == (alone.mean, alone.low, alone.high)
    assert (band.high - band.low > 0).all()


def table(episodes, gap=None):
    rng = np.random.default_rng(1)
    owners = list(range(episodes))
    lines = [
        MethodScores(
            method,
            {name: Score.over(owners, rng.random(episodes)) for name in SCORES},
            StepCost(1),
            Band.over(owners, rng.random((episodes, 3))),
            Band.over(owners, rng.random((episodes, 3))),
            gap if method == "integrated gradients" else None,
        )
        for method in ("last layer", "integrated gradients", "random")
    ]
    example = ExampleStep("one", 0, "", {}, {})
    return FaithfulnessTable("policy", "", "data", [], episodes, episodes, np.linspace(0, 1, 3), lines, example)


@pytest.mark.parametrize(("episodes", "said"), [(4, "too few"), (7, "Warning: 7 episodes are few"), (12, "")])
def test_the_number_of_episodes_stands_in_table_and_columns(episodes, said):
    made = table(episodes, PathGap(0.021, 0.043, 24.0))
    text = made.to_markdown()
    assert text.count(f"n = {episodes})") == 3 * len(SCORES)
    assert said in made.few
    assert made.few in text
    assert "| 2.1 % (at most 4.3 %) |" in text
    assert "at 24 points of the path" in text
    for columns in (made.score_columns(), made.curve_columns()):
        head, *rows = columns.to_csv().splitlines()
        place = head.split(",").index("episodes")
        assert {row.split(",")[place] for row in rows} == {str(episodes)}
    assert all(np.isnan(line.deletion.low).all() == (episodes < 5) for line in made.methods)


def test_a_table_of_dropped_tokens_says_rounds_episodes_and_noise():
    errors = [[Score.over(range(6), [0.0] * 6), Score.over(range(6), np.linspace(0.1, 0.6, 6))]]
    seconds = np.tile([[0.0067, 0.0187]], (10, 1)) * np.random.default_rng(0).uniform(1, 1.05, (10, 2))
    made = DropTable(
        "policy", "", "data", 6, 6, ("rollout",), "remove", (1.0, 0.15), errors, errors[0][1], StepTimes(seconds), (9, 3),
        DropExample("one", 0, "", (0.15,), {}, {}),
    )  # fmt: skip
    text = made.to_markdown()
    assert "Warning: 6 episodes are few" in text
    assert "Times are noise here" in text
    assert "| time, 10 rounds |" in text
    head, *rows = made.columns().to_csv().splitlines()
    last = dict(zip(head.split(","), rows[-1].split(","), strict=True))
    assert (last["episodes"], last["rounds"]) == ("6", "10")
    assert float(last["ratio to all"]) == pytest.approx(18.7 / 6.7, rel=0.05)
    assert float(last["low"]) < 0.35 < float(last["high"])
