"""What a study found lies beside its results: the second call reads it, and a stopped one goes on where it was."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from octoscope.errors import FindingError, Interrupted, OutputError, SelectionError
from octoscope.runs.findings.finding_head import FINDINGS, read_head
from octoscope.runs.findings.kept_steps import KeptSteps
from octoscope.studies.ablate import ablate
from octoscope.studies.drop_tokens import drop_tokens
from octoscope.studies.faithfulness import faithfulness
from octoscope.studies.language import language
from octoscope.studies.maps import maps
from octoscope.studies.options.ablate import AblateOptions
from octoscope.studies.options.drop_tokens import DropTokensOptions
from octoscope.studies.options.faithfulness import FaithfulnessOptions
from octoscope.studies.options.language import LanguageOptions
from octoscope.studies.options.maps import MapsOptions
from octoscope.studies.options.report import ReportOptions
from octoscope.studies.report.report import report

AT = ("policy", "episodes")


@dataclasses.dataclass(frozen=True)
class Case:
    study: Callable[..., Any]
    options: Any
    # An option that gives another finding.
    other: dict[str, Any]
    kinds: tuple[str, ...]
    # Parts that are kept one by one.
    parts: tuple[str, ...] = ()


CASES = (
    Case(
        ablate,
        AblateOptions(*AT, steps="1,2", do=("blank:wrist", "mask:word:ball"), noises=2, controls=1, batch=8),
        {"noises": 1},
        ("ablation",),
        ("step_1", "step_2"),
    ),
    Case(maps, MapsOptions(*AT, steps="3", methods=("last layer",)), {"seed": 1}, ("maps",)),
    Case(
        language,
        LanguageOptions(*AT, max_steps=1, noises=1, batch=8),
        {"swap": ("push it",)},
        ("language",),
        ("episode_0", "episode_1", "episode_2"),
    ),
    Case(
        drop_tokens,
        DropTokensOptions(
            *AT, max_steps=2, episode="0,1", scores=("random", "detail"), keep=(0.5,), timings=0, batch=8
        ),
        {"keep": (0.25,)},
        ("drop_tokens",),
        ("episode_0_step_1", "episode_0_step_3", "episode_1_step_1", "episode_1_step_3", "times"),
    ),
    Case(
        faithfulness,
        FaithfulnessOptions(*AT, max_steps=1, points=1, methods=("last layer", "random"), sanity=True, batch=8),
        {"points": 2},
        ("faithfulness", "sanity"),
        (
            *(f"maps_episode_{i}_step_2" for i in range(3)),
            *(f"curves_episode_{i}_step_2" for i in range(3)),
            "trained_step_2",
            *(f"draw_0_stage_{i}_step_2" for i in range(4)),
        ),
    ),
)
NAMES = [case.study.__name__ for case in CASES]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def whole(opened, tmp_path_factory) -> dict[str, Path]:
    """Results of every study, made once."""
    folders = {}
    for case in CASES:
        folders[case.study.__name__] = output = tmp_path_factory.mktemp(case.study.__name__) / "out"
        case.study(dataclasses.replace(case.options, output=output), opened=opened)
    return folders


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_the_second_call_reads_and_says_so(case, whole, opened, calls):
    output, told = whole[case.study.__name__], []
    before = files(output)
    options = dataclasses.replace(case.options, output=output)
    case.study(options, opened=opened, tell=lambda *lines: told.extend(lines))
    assert calls == []
    assert sum(line.startswith("Read from ") for line in told) == len(case.kinds)
    assert files(output) == before
    paths = [path for kind in case.kinds for path in (output / FINDINGS / kind).iterdir()]
    assert len(paths) == len(case.kinds)
    for path in paths:
        head = read_head(path)
        assert head.kind == path.parent.name
        assert head.provenance["policy_sha256"]
        assert head.provenance["computed_on"]["device"] == "cpu"
        assert head.provenance["episodes"][0]["name"] == "tiny/0"


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_results_of_another_call_are_not_replaced_unasked(case, whole, opened, calls):
    output = whole[case.study.__name__]
    before = files(output)
    with pytest.raises(OutputError, match="already holds results"):
        case.study(dataclasses.replace(case.options, **case.other, output=output), opened=opened)
    assert calls == []
    assert files(output) == before


def test_pictures_that_were_removed_are_drawn_again_from_the_finding(whole, opened, calls):
    case, output = CASES[0], whole["ablate"]
    before = files(output)
    for file in (output / "ablation").iterdir():
        file.unlink()
    (output / "ablation").rmdir()
    case.study(dataclasses.replace(case.options, output=output), opened=opened)
    assert calls == []
    assert files(output) == before


def test_results_that_were_drawn_from_no_finding_are_kept(opened, tmp_path, calls):
    (tmp_path / "ablation").mkdir()
    (tmp_path / "ablation" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="already holds results"):
        ablate(dataclasses.replace(CASES[0].options, output=tmp_path), opened=opened)
    assert list(files(tmp_path)) == ["ablation/mine.txt"]


def test_overwrite_computes_anew_to_the_same_bytes(whole, opened, calls):
    case, output = CASES[0], whole["ablate"]
    before = files(output)
    case.study(dataclasses.replace(case.options, output=output, overwrite=True), opened=opened)
    assert "OctoPolicy.act" in calls
    assert files(output) == before


def test_a_damaged_finding_is_told_and_not_computed_again(whole, opened, calls, tmp_path):
    case = CASES[0]
    output = tmp_path / "out"
    for name, content in files(whole["ablate"]).items():
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        (output / name).write_bytes(content[:-9] if name.endswith("arrays.npz") else content)
    with pytest.raises(FindingError, match="damaged"):
        case.study(dataclasses.replace(case.options, output=output), opened=opened)
    assert calls == []


def other_frames(opened):
    episodes = [dataclasses.replace(each, images={**each.images}) for each in opened.source]
    frames = episodes[0].images["primary"].copy()
    frames[1] += 1
    episodes[0] = dataclasses.replace(episodes[0], images={**episodes[0].images, "primary": frames})
    return dataclasses.replace(opened, source=episodes)


def test_what_is_looked_at_counts_and_what_is_not_does_not(opened, tmp_path, calls):
    """Frame 1 of the first episode is in the window of steps 1 and 2, not of step 3."""
    options = AblateOptions(*AT, steps="3", do=("blank:wrist",), noises=0, controls=0, output=tmp_path)
    ablate(options, opened=opened)
    calls.clear()
    ablate(options, opened=other_frames(opened))
    assert calls == []
    options = dataclasses.replace(options, steps="1", output=tmp_path / "1")
    ablate(options, opened=opened)
    calls.clear()
    with pytest.raises(OutputError, match="already holds"):
        ablate(options, opened=other_frames(opened))


@pytest.mark.parametrize("case", [case for case in CASES if case.parts], ids=lambda case: case.study.__name__)
def test_a_stopped_study_goes_on_at_the_step(case, whole, opened, tmp_path, monkeypatch):
    made: list[str] = []
    stop_at: list[int] = [len(case.parts) // 2]
    get_or_make = KeptSteps.get_or_make

    def counted(self, name, kind, make):
        def count():
            if len(made) in stop_at:
                raise KeyboardInterrupt
            made.append(name)
            return make()

        return get_or_make(self, name, kind, count)

    monkeypatch.setattr(KeptSteps, "get_or_make", counted)
    options = dataclasses.replace(case.options, output=tmp_path / "out")
    with pytest.raises(Interrupted, match="go on with --resume"):
        case.study(options, opened=opened)
    assert made == list(case.parts[: stop_at.pop()])
    with pytest.raises(OutputError, match=r"begun and not finished.*--resume"):
        case.study(options, opened=opened)
    case.study(dataclasses.replace(options, resume=True), opened=opened)
    assert made == list(case.parts)
    assert files(tmp_path / "out") == files(whole[case.study.__name__])


def test_resume_and_overwrite_exclude_each_other(opened, tmp_path):
    for case in CASES:
        if case.parts:
            with pytest.raises(SelectionError, match="give one of them"):
                case.study(
                    dataclasses.replace(case.options, output=tmp_path, resume=True, overwrite=True), opened=opened
                )
    with pytest.raises(SelectionError, match="give one of them"):
        report(ReportOptions(*AT, output=tmp_path, resume=True, overwrite=True), opened=opened)
    assert not list(tmp_path.iterdir())


def test_the_report_reads_what_lies_there(opened, tmp_path, calls):
    options = ReportOptions(*AT, episode="0:3", max_steps=1, parts=("ablation", "language"), batch=8, output=tmp_path)
    report(options, opened=opened)
    page = (tmp_path / "report" / "report.md").read_text()
    calls.clear()
    told = []
    report(options, opened=opened, tell=lambda *lines: told.extend(lines))
    assert calls == []
    assert sum(line.startswith("Read from ") for line in told) == 2
    assert (tmp_path / "report" / "report.md").read_text() == page
    # Pages of other findings are not replaced unasked, nor are theirs computed before that is told.
    with pytest.raises(OutputError, match="already holds results"):
        report(dataclasses.replace(options, seed=1), opened=opened)
    assert calls == []
