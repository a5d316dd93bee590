"""Findings: what was written is read again, whole or not at all; damage is told; what is kept of an unfinished one is not made again."""

import dataclasses
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import killed_finding
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoscope.array_typing import Bool, Float, UInt8
from octoscope.cli.main import main
from octoscope.errors import FindingError, Interrupted, OutputError
from octoscope.runs.findings.finding_folder import FindingKind, finding_key, read_finding, write_finding
from octoscope.runs.findings.finding_head import read_head
from octoscope.runs.findings.frozen_values import put_together, take_apart
from octoscope.runs.findings.kept_finding import FindingRequest


@dataclass(frozen=True)
class Left:
    name: str
    share: float | None


@dataclass(frozen=True)
class Right:
    name: str
    places: Sequence[tuple[int, int]]


@dataclass(frozen=True, eq=False)
class Nested:
    sizes: Float[np.ndarray, " cell"]
    which: Left | Right | None
    others: Mapping[str, Mapping[str, Sequence[Bool[np.ndarray, "row column"]]]]
    picture: UInt8[np.ndarray, "height width 3"] | None = None
    mask: Bool[np.ndarray, "height width"] | Bool[np.ndarray, "time height width"] | None = None
    whole: bool = True


VALUE = (
    Nested(np.array([1.0, np.nan, -np.inf]), Left("a/b", float("nan")), {"../x": {"": (np.eye(2, dtype=bool),)}}),
    Nested(np.zeros(0), Right("café \udcff", [(1, 2)]), {}, np.zeros((2, 2, 3), np.uint8), np.ones((1, 2, 2), bool)),
    Nested(np.arange(3.0), None, {"x": {}}, whole=False),
)
KIND = FindingKind("nested", tuple[Nested, ...])


def same(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray):
        assert isinstance(b, np.ndarray)
        return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if dataclasses.is_dataclass(a):
        return type(a) is type(b) and all(
            same(getattr(a, each.name), getattr(b, each.name)) for each in dataclasses.fields(a)
        )
    if isinstance(a, Mapping):
        assert isinstance(b, Mapping)
        return list(a) == list(b) and all(same(a[name], b[name]) for name in a)
    if isinstance(a, list | tuple):
        assert isinstance(b, list | tuple)
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


@pytest.fixture
def written(tmp_path) -> Path:
    write_finding(tmp_path / "f", KIND, VALUE, {"seed": 0})
    return tmp_path / "f"


def test_a_value_comes_back_as_it_was(written):
    assert same(VALUE, read_finding(written, KIND))
    assert read_head(written).provenance == {"seed": 0}
    assert sorted(path.name for path in written.iterdir()) == ["arrays.npz", "finding.json"]
    # Anybody's NumPy opens the arrays, by where they lie.
    with np.load(written / "arrays.npz") as arrays:
        assert np.array_equal(arrays["2/sizes"], [0.0, 1.0, 2.0])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=6,
    )
)
def test_plain_values_are_valid_json_without_exception(value):
    plain = json.loads(json.dumps(take_apart({"value": value}).plain, allow_nan=False))
    if isinstance(value, float):
        assert same(value, put_together(Mapping[str, float], dataclasses.replace(take_apart({}), plain=plain))["value"])


@pytest.mark.parametrize(
    "value",
    [object(), {1: 2}, Path("x"), b"x", np.array([object()]), {"x": [1j]}],
    ids=["object", "whole-number keys", "path", "bytes", "objects", "complex"],
)
def test_what_no_finding_can_hold_is_refused_before_anything_is_written(value, tmp_path):
    with pytest.raises(TypeError, match="must be"):
        write_finding(tmp_path / "f" / "g", KIND, value, {})
    assert not list(tmp_path.iterdir())


def test_every_changed_byte_is_told(written):
    for file in sorted(written.iterdir()):
        content = file.read_bytes()
        for place in range(0, len(content), max(1, len(content) // 25)):
            file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
            with pytest.raises(FindingError, match=r"damaged|newer") as told:
                read_finding(written, KIND)
            assert "--overwrite" in str(told.value) or "newer" in str(told.value)
        file.write_bytes(content[:-1])
        with pytest.raises(FindingError, match="damaged"):
            read_finding(written, KIND)
        file.unlink()
        with pytest.raises(FindingError, match="damaged"):
            read_head(written)
        file.write_bytes(content)
    assert same(VALUE, read_finding(written, KIND))


def test_a_value_of_another_shape_is_never_put_into_a_class(written):
    with pytest.raises(FindingError, match="kind nested, format 1; expected nested, format 2"):
        read_finding(written, dataclasses.replace(KIND, format=2))
    with pytest.raises(FindingError, match=r"damaged: \[0\] has an unknown entry 'sizes'"):
        read_finding(written, dataclasses.replace(KIND, value=tuple[Left, ...]))
    with pytest.raises(FindingError, match="There is no finding"):
        read_finding(written / "x", KIND)


def test_a_key_is_of_everything_that_counts():
    made_from = {"seed": 0, "policy": {"sha256": "a"}}
    key = finding_key(KIND, made_from)
    others = [{**made_from, "seed": 1}, {**made_from, "policy": {"sha256": "b"}}, {"seed": 0}]
    kinds = [FindingKind("other", KIND.value), dataclasses.replace(KIND, format=2)]
    keys = {key, *(finding_key(KIND, other) for other in others), *(finding_key(kind, made_from) for kind in kinds)}
    assert len(keys) == 6
    assert all(re.fullmatch(r"[0-9a-f]{20}", each) for each in keys)


def test_a_run_in_a_finding_is_a_run(demo_run, tmp_path):
    kind = FindingKind("runs", tuple[type(demo_run), ...])
    write_finding(tmp_path / "f", kind, (demo_run, demo_run), {})
    first, second = read_finding(tmp_path / "f", kind)
    assert first is second
    assert [path.name for path in tmp_path.glob("f/*.zarr")] == ["run_0.zarr"]
    assert first.manifest == demo_run.manifest
    weights = [run.attention("readout_action", step=5) for run in (first, demo_run)]
    np.testing.assert_array_equal(*weights)


def test_a_kill_at_any_file_operation_leaves_it_whole_or_absent(tmp_path):
    driver = Path(killed_finding.__file__)
    done = subprocess.run([sys.executable, driver, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    counts = {
        name: (int(kills), int(good)) for name, kills, good in re.findall(r"(\w+) kills (\d+) good (\d+)", done.stdout)
    }
    # The last of each was not killed.
    assert counts["resumed"][1] == counts["resumed"][0] + 1 > 20
    assert counts["replaced"][1] == counts["replaced"][0] + 1 > 20


def stopped_after(folder: Path, count: int, error: BaseException) -> list[int]:
    """Makes the finding of `killed_finding` and stops in place of step `count`."""
    computed: list[int] = []

    def part(step: int) -> killed_finding.Part:
        if step == count:
            raise error
        computed.append(step)
        return killed_finding.Part(step, np.full((2, 3), float(step)))

    def whole(steps) -> killed_finding.Whole:
        parts = [
            steps.get_or_make(f"step_{i}", killed_finding.Part, lambda i=i: part(i))
            for i in range(killed_finding.STEPS)
        ]
        return killed_finding.Whole(0, tuple(parts))

    killed_finding.request(folder, whole).get_or_make()
    return computed


def test_the_first_steps_are_not_made_again(tmp_path):
    killed_finding.make(tmp_path / "whole" / "x")
    with pytest.raises(Interrupted, match=r"2 parts are kept in .*go on with --resume"):
        stopped_after(tmp_path / "cut", 2, KeyboardInterrupt())
    with pytest.raises(OutputError, match=r"begun and not finished: 2 parts are kept. Go on with --resume"):
        killed_finding.make(tmp_path / "cut" / "x")
    assert killed_finding.make(tmp_path / "cut" / "x", resume=True) == [2]
    assert killed_finding.digest(tmp_path / "cut") == killed_finding.digest(tmp_path / "whole")
    # The second call reads.
    assert killed_finding.make(tmp_path / "cut" / "x") == []


def test_a_damaged_part_is_made_again_and_anew_makes_all(tmp_path):
    with pytest.raises(RuntimeError):
        stopped_after(tmp_path, 2, RuntimeError())
    (part,) = tmp_path.rglob("step_0.npz")
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    assert killed_finding.make(tmp_path / "x", resume=True) == [0, 2]
    assert killed_finding.make(tmp_path / "x", overwrite=True) == [0, 1, 2]


def test_parts_of_another_device_are_not_gone_on_with(tmp_path):
    with pytest.raises(RuntimeError):
        stopped_after(tmp_path, 1, RuntimeError())
    request = dataclasses.replace(killed_finding.request(tmp_path), computed_on={"device": "gpu"})
    with pytest.raises(OutputError, match=r"computed_on.device was cpu, is gpu"):
        request.get_or_make(resume=True)


def test_an_error_before_the_first_step_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError):
        stopped_after(tmp_path / "x", 0, RuntimeError())
    assert not list((tmp_path / "x").iterdir())


def test_a_damaged_finding_is_refused_and_never_made_again_unasked(tmp_path):
    killed_finding.make(tmp_path / "x")
    request: FindingRequest = killed_finding.request(tmp_path)
    (request.path / "arrays.npz").write_bytes(b"")
    with pytest.raises(
        FindingError, match=r"damaged: arrays.npz is not the one that was written. Make it anew with --ov"
    ):
        killed_finding.make(tmp_path / "x")
    assert killed_finding.make(tmp_path / "x", overwrite=True) == [0, 1, 2]


def test_runs_list_tells_findings_in_every_state_and_leaves_their_runs_alone(tmp_path, demo_run, capsys):
    def request(name: str) -> Path:
        folder = tmp_path / name
        killed_finding.make(folder / "x")
        return killed_finding.request(folder).path

    made_from = {"policy": "p", "episodes": [{"name": f"e{i}"} for i in range(5)]}
    write_finding(tmp_path / "d" / "findings" / "maps" / "k", FindingKind("maps", type(demo_run)), demo_run, made_from)
    whole, damaged = request("a"), request("b")
    (damaged / "arrays.npz").unlink()
    with pytest.raises(RuntimeError):
        stopped_after(tmp_path / "c", 2, RuntimeError())
    main(["runs", "list", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"There is no run in {tmp_path}."
    assert [line.partition("  ")[0] for line in lines[1:]] == [
        str(whole),
        str(damaged),
        str(killed_finding.request(tmp_path / "c").path),
        str(tmp_path / "d" / "findings" / "maps" / "k"),
    ]
    assert lines[1].endswith("whole")
    assert "damaged: arrays.npz is missing" in lines[2]
    assert lines[3].endswith("2 parts are kept, unfinished: go on with --resume")
    assert "p over e0, e1, e2 and 2 more: whole" in lines[4]
    with pytest.raises(SystemExit):
        main(["runs", "compact", str(tmp_path)])
    assert "There is no run in" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        killed_finding.make(tmp_path / "file" / "x")
    with pytest.raises(OutputError, match="cannot be written"):
        write_finding(tmp_path / "file" / "f", KIND, VALUE, {})
