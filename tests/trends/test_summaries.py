"""The summary of a run: the numbers of the rooms that define them, kept beside the run and never believed of another."""

import numpy as np
import pyarrow.parquet
import pytest

from octoscope.attention.head_statistics import head_table
from octoscope.attention.maps import attention_maps
from octoscope.attention.query import find_query
from octoscope.attention.regions import share_on_region
from octoscope.attention.share_table import share_table
from octoscope.attention.sinks import find_sinks
from octoscope.embedded.table_names import TABLE_DATASETS
from octoscope.errors import RunError
from octoscope.runs.run import Run
from octoscope.trends.run_summary import RunSummary, summarize
from octoscope.trends.summary_file import read_summary, summary_path
from tests.hand_made_runs import HEADS, LAYERS, even_weights, hand_made_run, random_weights


def values_of(summary: RunSummary, measure: str, group: str = "readout_action") -> np.ndarray:
    """Returns (step, layer, head)."""
    places = [at for at, head in enumerate(summary.heads) if head[1] == group]
    values = summary.values[:, places, summary.measures.index(measure)]
    return values.reshape(len(values), LAYERS, HEADS)


def masked_run(weights=random_weights, **chosen) -> Run:
    masks = np.zeros((4, 32, 32), np.uint8)
    masks[:, :16, :16], masks[:, 16:, 16:], masks[:, :4, 28:] = 1, 2, 5
    targets = (np.array([1, 1, 2, 2], np.uint8), ("time",))
    return hand_made_run(weights, masks=masks, targets=targets, steps=4, **{"dataset": "tabletop", **chosen})


def test_shares_entropy_spread_and_stability_are_those_of_the_tables():
    run = hand_made_run(steps=6)
    summary, table, shares = summarize(run), head_table(run), share_table(run)
    for name in shares.names:
        np.testing.assert_allclose(values_of(summary, f"share: {name}"), shares.of(name), atol=1e-6)
    means = {
        measure: values_of(summary, measure)
        for measure in ("relative entropy", "spread: primary", "stability: primary")
    }
    for measure, statistic in zip(means, ("relative entropy", "spread", "stability"), strict=True):
        np.testing.assert_allclose(np.nanmean(means[measure], axis=0), table.of(statistic).values, rtol=1e-5)
    np.testing.assert_allclose(values_of(summary, "deviation: primary"), table.deviation, atol=1e-6)
    # The first step has none before it.
    assert np.isnan(means["stability: primary"][0]).all()
    assert not np.isnan(means["stability: primary"][1:]).any()


def test_distance_is_told_where_patches_look():
    run = hand_made_run()
    values = values_of(summarize(run), "distance: primary", "obs_primary")
    np.testing.assert_allclose(values.mean(axis=0), head_table(run).of("distance").values, rtol=1e-5)


def test_words_that_pad_are_out_of_their_groups_means():
    run = hand_made_run()
    values = values_of(summarize(run), "share: primary t", "obs_task_language")
    rows = run.attention("obs_task_language", step=2)[:, :, :2]
    patches = run.layout.select("obs_primary", timestep=-1)
    np.testing.assert_allclose(values[2], rows[..., patches].sum(axis=-1).mean(axis=-1), rtol=1e-5)


def test_words_are_read_by_what_they_are():
    """Of "push ball" in front and repeated: the row's weight on both copies of a word, over that of as many tokens seen evenly."""
    run = hand_made_run()
    summary = summarize(run)
    visible = find_query(run.layout, None).visible_over(run, steps=run.steps)
    places = {
        kind: [span.start + at for span in run.layout.spans if span.source.kind == "language"]
        for at, kind in enumerate(("verb", "object"))
    }
    for kind, tokens in places.items():
        weight = np.stack(
            [run.attention("readout_action", step=step)[:, :, 0, tokens].sum(axis=-1) for step in run.steps]
        )
        even = visible[:, tokens].sum(axis=-1) / visible.sum(axis=-1)
        np.testing.assert_allclose(values_of(summary, f"words read: {kind}"), weight / even[:, None, None], rtol=1e-5)
    assert "words read: other" not in summary.measures
    # Of keys that are not held nothing is told.
    assert not any("words read" in name for name in summarize(hand_made_run(key_groups=["obs_primary"])).measures)


def test_even_attention_is_what_even_weights_give():
    run = masked_run(even_weights)
    summary = summarize(run)
    places = np.repeat(np.arange(len(summary.groups)), [group.size for group in summary.groups])
    expected = summary.even[:, places]
    there = ~np.isnan(expected) & ~np.isnan(summary.values)
    assert there.mean() > 0.7
    np.testing.assert_allclose(summary.values[there], expected[there], atol=1e-5)


def test_datasets_of_the_table_have_distractors_and_a_gripper_and_others_have_not():
    measures = {name: summarize(masked_run(dataset=name)).measures for name in (*TABLE_DATASETS, "elsewhere")}
    assert measures["tabletop_red"] == measures["tabletop"]
    assert set(measures["elsewhere"]) < set(measures["tabletop"])


def test_mass_on_objects_is_their_share_over_their_even_share():
    run = masked_run()
    summary, query = summarize(run), find_query(run.layout)
    (_, now) = attention_maps(run, query, step=3, layer=1)
    named = share_on_region(now, run.mask("primary", time=3) == 2)
    even = 1 / query.visible_over(run, steps=[3]).sum()
    # Each object covers one patch of the four.
    np.testing.assert_allclose(values_of(summary, "named object: primary")[3, 1], named / even, rtol=1e-5)
    distractor = share_on_region(now, run.mask("primary", time=3) == 1)
    np.testing.assert_allclose(values_of(summary, "distractors: primary")[3, 1], distractor / even, rtol=1e-5)
    contrast = values_of(summary, "named less distractors: primary")[3, 1]
    np.testing.assert_allclose(contrast, (named - distractor) / even, rtol=1e-4)
    # The episode's mean map on the objects of this step.
    fixed = np.mean([attention_maps(run, query, step=step, layer=1)[-1].weights for step in range(4)], axis=0)
    template = summary.template[3, :, summary.measures.index("named object: primary")]
    places = [at for at, head in enumerate(summary.heads) if head[1:3] == ("readout_action", 1)]
    np.testing.assert_allclose(template[places], fixed[:, 1, 1] / even, rtol=1e-4)


def test_weight_on_sinks_is_that_of_the_tokens_that_are_marked():
    def with_sink(visible, step):
        weights = even_weights(visible, step) * 0.2
        weights[..., 0] += 0.8 * visible.any(axis=-1)
        return weights

    run = hand_made_run(with_sink, steps=5)
    sinks = {(sink.layer, sink.key) for sink in find_sinks(run)}
    assert sinks == {(0, 0), (1, 0)}
    np.testing.assert_allclose(
        values_of(summarize(run), "sinks")[3], run.attention("readout_action", step=3)[:, :, 0, 0], rtol=1e-5
    )


def test_a_run_of_some_keys_has_no_entropy_and_no_share_of_others():
    summary = summarize(hand_made_run(key_groups=["obs_primary"], query_groups=["readout_action"]))
    assert "relative entropy" not in summary.measures
    assert [name for name in summary.measures if name.startswith("share")] == ["share: primary t-1", "share: primary t"]


def assert_same(some: RunSummary, others: RunSummary) -> None:
    for name, value in vars(some).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(others, name))
        else:
            assert value == getattr(others, name), name


def test_what_is_kept_is_what_was_made(tmp_path):
    path = tmp_path / "run.zarr"
    run, lines = masked_run(store=path), []
    made, kept = read_summary(path, tell=lines.append), read_summary(path, tell=lines.append)
    assert_same(made, summarize(run))
    assert_same(kept, made)
    assert not lines
    table = pyarrow.parquet.read_table(summary_path(path)).to_pydict()
    at = next(
        place
        for place in range(len(table["step"]))
        if (table["step"][place], table["queries"][place]) == (2, "readout_action")
    )
    assert (table["layer"][at], table["head"][at], table["stack"][at]) == (0, 0, "transformer")
    assert table["share: primary t"][at] == pytest.approx(float(values_of(made, "share: primary t")[2, 0, 0]))


def test_a_run_made_anew_is_summarised_anew(tmp_path):
    path = tmp_path / "run.zarr"
    hand_made_run(store=path)
    before = read_summary(path)
    path.rename(tmp_path / "old.zarr")
    # Manifest and sizes may be the same.
    hand_made_run(lambda visible, step: random_weights(visible, step + 7), store=path)
    after = read_summary(path)
    assert_same(after, summarize(Run.open(path)))
    assert np.nanmax(np.abs(before.values - after.values)) > 0.01


@pytest.mark.parametrize("damage", ["number", "head", "cut", "other"])
def test_a_damaged_summary_is_made_anew_and_said(tmp_path, damage):
    path = tmp_path / "run.zarr"
    hand_made_run(store=path)
    made, lines = read_summary(path), []
    file = summary_path(path)
    content = bytearray(file.read_bytes())
    number = content.find(made.values[:, :, 0].tobytes()[:8])
    assert number > 0
    if damage == "number":
        content[number] ^= 1
    elif damage == "head":
        content[content.find(b"hand-made")] ^= 1
    file.write_bytes({"cut": content[: len(content) // 2], "other": b"no parquet"}.get(damage, content))
    assert_same(read_summary(path, tell=lines.append), made)
    (line,) = lines
    assert str(file) in line
    assert "Made anew" in line
    read_summary(path, tell=lines.append)
    assert len(lines) == 1


def test_a_folder_that_cannot_be_written_costs_the_summary_each_time(tmp_path, monkeypatch):
    path, lines = tmp_path / "run.zarr", []
    hand_made_run(store=path)

    def refuse(*args, **kwargs):
        raise OSError("read-only file system")

    monkeypatch.setattr(pyarrow.parquet, "write_table", refuse)
    summary = read_summary(path, tell=lines.append)
    assert summary.policy == "hand-made"
    assert "each time" in lines[0]
    assert not summary_path(path).exists()


def test_no_run_is_no_summary(tmp_path):
    with pytest.raises(RunError, match="no run"):
        read_summary(tmp_path / "nothing.zarr")
