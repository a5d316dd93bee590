"""`octoscope report`: its folder, and what it says where a part cannot be made."""

import pytest

from octoscope.cli.main import main


def test_the_report_has_both_pages_and_says_what_is_missing(tmp_path, capsys):
    """One episode: there are no other words to swap in."""
    arguments = ["report", "drawn", "drawn", "--episode", "0", "--parts", "language", "attention", "-o", str(tmp_path)]
    main(arguments)
    folder = tmp_path / "report"
    assert sorted(path.name for path in folder.iterdir()) == ["pictures", "report.html", "report.md"]
    assert sorted(path.name for path in (folder / "pictures").iterdir()) == ["attention.png", "maps.png", "shares.png"]
    page = (folder / "report.html").read_text()
    assert page.count("<img") == 3
    assert "RANDOM WEIGHTS" in page
    assert "sha256" in page
    text = (folder / "report.md").read_text()
    assert "Not shown: There are no other words to swap in" in text
    # In the order of the report, not as typed.
    assert text.index("## Where does the readout look?") < text.index("## Do the words matter?")
    assert text.count("**Does not show:**") == 2
    assert "[1/2] Where does the readout look?" in capsys.readouterr().out
    # Of other findings no page is replaced unasked.
    with pytest.raises(SystemExit):
        main([*arguments, "--seed", "1"])
    assert "already holds results" in capsys.readouterr().err


def test_parts_that_do_not_exist_are_refused(tmp_path, capsys):
    for wrong, sentence in (
        (["--parts", "ablations"], "Did you mean 'ablation'"),
        (["--parts"], "at least one of"),
        (["--max-steps", "0"], "--max-steps must be at least 1"),
        (["--step", "99"], "step must be in 0..11"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["report", "drawn", "drawn", *wrong, "-o", str(tmp_path)])
        assert stop.value.code == 2
        assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
