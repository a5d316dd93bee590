"""Tables of many runs: made in one reading, kept, believed of the same runs alone."""

import numpy as np
import pytest

from octoscope.errors import FindingError
from octoscope.trends import table_file
from octoscope.trends.episode_table import TableBuilder
from octoscope.trends.phases import PhaseRule
from octoscope.trends.summary_file import read_summary, summary_path
from octoscope.trends.table_file import EpisodeTables
from tests.hand_made_runs import even_weights, hand_made_run

RULES = (PhaseRule(), None)


def write_run(path, weights):
    told = {"episode": path.stem, "episode_sha256": path.stem}
    hand_made_run(weights, steps=3, store=path, told=told)


def same(one, other):
    assert (one.labels, one.parts, one.cells, one.measures) == (other.labels, other.parts, other.cells, other.measures)
    for name in ("values", "even", "template", "steps"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.fixture
def paths(tmp_path):
    every = [tmp_path / f"{number}.zarr" for number in range(3)]
    for number, path in enumerate(every):

        def weights(visible, step, number=number):
            drawn = np.random.default_rng([number, step]).exponential(size=(2, 2, *visible.shape)) * visible
            return drawn / np.maximum(drawn.sum(axis=-1, keepdims=True), 1e-30)

        write_run(path, weights)
    return every


def test_all_tables_come_from_one_reading_and_are_kept(paths, tmp_path, monkeypatch):
    expected = {}
    for rule in RULES:
        builder = TableBuilder(rule)
        for path in paths:
            builder.add(path, read_summary(path))
        expected[rule] = builder.table()
    read = []
    monkeypatch.setattr(table_file, "read_summary", lambda path, **how: read.append(path) or read_summary(path, **how))
    tables = EpisodeTables(paths, RULES, folder=tmp_path / "out")
    for rule in RULES:
        same(tables.of(rule), expected[rule])
    assert read == paths
    assert not (tmp_path / "out").exists()
    tables.keep()
    again = EpisodeTables(paths, RULES, folder=tmp_path / "out")
    for rule in RULES:
        same(again.of(rule), expected[rule])
    assert read == paths


def test_a_run_that_changed_is_noticed_with_the_same_manifest(paths, tmp_path):
    tables = EpisodeTables(paths, [None], folder=tmp_path)
    before = tables.of(None)
    tables.keep()
    write_run(tmp_path / "other.zarr", even_weights)
    files = {file.relative_to(tmp_path / "other.zarr") for file in (tmp_path / "other.zarr/attention").rglob("*")}
    for file in files:
        if (tmp_path / "other.zarr" / file).is_file():
            (paths[1] / file).write_bytes((tmp_path / "other.zarr" / file).read_bytes())
    after = EpisodeTables(paths, [None], folder=tmp_path).of(None)
    np.testing.assert_array_equal(after.values[[0, 2]], before.values[[0, 2]])
    entropy = after.measures.index("relative entropy")
    readout = [at for at, cell in enumerate(after.cells) if cell[1] == "readout_action"]
    np.testing.assert_allclose(after.values[1, 0, readout, entropy], 1.0, rtol=1e-3)
    assert not np.allclose(before.values[1, 0, readout, entropy], 1.0, rtol=1e-2)


def test_a_damaged_table_is_told(paths, tmp_path):
    tables = EpisodeTables(paths, [None], folder=tmp_path)
    tables.of(None)
    tables.keep()
    (file,) = tmp_path.glob("findings/episode_table/*/arrays.npz")
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(FindingError, match="damaged"):
        EpisodeTables(paths, [None], folder=tmp_path).of(None)


def test_what_is_the_same_everywhere_takes_no_column(paths):
    """A fixed map never deviates from itself; what varies is packed without loss."""
    made = read_summary(paths[0])
    kept = read_summary(paths[0])
    for name in ("values", "even", "template"):
        np.testing.assert_array_equal(getattr(made, name), getattr(kept, name))
    deviation = kept.measures.index("deviation: primary")
    groups = [at for at, head in enumerate(kept.heads) if head[1] == "readout_action"]
    assert (kept.template[:, groups, deviation] == 0).all()
    assert b"template: deviation" not in summary_path(paths[0]).read_bytes()
