"""Tables as CSV and as Parquet: the same rows, numbers as numbers, and a sentence where pyarrow is missing."""

import sys

import pytest

from octoscope.errors import OutputError
from octoscope.runs.column_table import CSV_ONLY, ColumnTable, can_write_parquet

NAN = float("nan")
TABLE = ColumnTable(
    {"method": ["rollout", "a, b"], "forwards": [1, 129], "mean": [1 / 3, NAN], "low": [NAN, NAN], "learnt": ["", "x"]}
)


@pytest.fixture
def without_pyarrow(monkeypatch):
    """As on a machine that does not have it: the import system finds nothing."""
    for name in [name for name in sys.modules if name.split(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    find = __import__("importlib").util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "pyarrow" else find(name))


def test_csv_has_six_digits():
    assert TABLE.to_csv() == 'method,forwards,mean,low,learnt\nrollout,1,0.333333,nan,\n"a, b",129,nan,nan,x\n'


def test_parquet_keeps_all_digits_and_says_what_is_not_known(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    TABLE.write(tmp_path, "scores")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scores.csv", "scores.parquet"]
    read = parquet.read_table(tmp_path / "scores.parquet")
    assert [str(field.type) for field in read.schema] == ["string", "int64", "double", "double", "string"]
    assert read.to_pydict() == {
        "method": ["rollout", "a, b"],
        "forwards": [1, 129],
        "mean": [1 / 3, None],
        "low": [None, None],
        "learnt": ["", "x"],
    }


def test_text_that_utf8_does_not_have_is_written_out_in_names_and_cells(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    ColumnTable({"a\ud800": ["b\udfff", "caf\u00e9"]}).write(tmp_path, "words")
    assert parquet.read_table(tmp_path / "words.parquet").to_pydict() == {"a\\ud800": ["b\\udfff", "caf\u00e9"]}


def test_names_that_are_alike_are_refused():
    with pytest.raises(ValueError, match="must differ"):
        ColumnTable.of_rows(["x", "x"], [[1, 2]])


def test_without_pyarrow_there_is_csv_and_a_sentence(tmp_path, without_pyarrow):
    assert not can_write_parquet()
    TABLE.write(tmp_path, "scores")
    assert [path.name for path in tmp_path.iterdir()] == ["scores.csv"]
    with pytest.raises(OutputError, match=r"octoscope\[parquet\]"):
        TABLE.write_parquet(tmp_path / "scores.parquet")
    assert "pip install" in CSV_ONLY
