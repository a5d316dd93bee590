"""Datasets whose words Octo never read: those of its own list, said only of a policy that was trained on the mixture."""

import json

import pytest

import octoscope as osc
from octoscope.policies.octo.checkpoint.statistics import read_statistics
from octoscope.studies import opening
from octoscope.tokens.blanked_words import BLANKED, blanked_words_remark
from official_files import SHARED


def test_the_list_is_octos_own():
    file = SHARED / "oxe-mapping.json"
    if not file.is_file():
        pytest.skip("needs the facts that were extracted from Octo")
    datasets = json.loads(file.read_text())["datasets"]
    assert set(BLANKED) == {name for name, facts in datasets.items() if facts["language"] == '""'}
    assert (len(BLANKED), len(datasets)) == (12, 58)


def test_only_what_was_trained_on_is_told():
    mixture = [*BLANKED, "bridge_dataset"]
    assert all(f"'{name}'" in blanked_words_remark(name, mixture) for name in BLANKED)
    assert not blanked_words_remark("bridge_dataset", mixture)
    assert not blanked_words_remark("kuka", ["bridge_dataset", "viola"])
    assert not blanked_words_remark("kuka", ["kuka"])


def test_a_study_says_it_once_when_it_opens(monkeypatch, demo_model):
    import dataclasses

    checkpoint = dataclasses.replace(demo_model.checkpoint, dataset_statistics={"drawn_table": {}, "viola": {}})
    model = dataclasses.replace(demo_model, checkpoint=checkpoint)
    monkeypatch.setattr(osc.OctoModel, "load_pretrained", lambda *_, **__: model)
    source = osc.open_episodes("drawn")
    monkeypatch.setattr(opening, "open_episodes", lambda *_, **__: source)
    given = opening.Given(no_compilation_cache=True)
    told: list[str] = []
    opening.open_given(given, "drawn", "drawn", tell=lambda *lines: told.extend(lines))
    assert told == []
    monkeypatch.setattr(type(source), "name", property(lambda self: "viola"), raising=False)
    opening.open_given(given, "drawn", "drawn", tell=lambda *lines: told.extend(lines))
    assert len(told) == 1
    assert "trained on 'viola' with every instruction blanked" in told[0]


def test_a_checkpoint_of_the_mixture_names_them(tmp_path):
    from octoscope.policies.octo.checkup import examine_checkpoint

    action = {"mean": [0.0], "std": [1.0]}
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "dataset_statistics.json").write_text(
        json.dumps({name: {"action": action} for name in ("kuka", "toto", "mine")})
    )
    assert list(read_statistics(tmp_path)) == ["kuka", "toto", "mine"]
    notes = examine_checkpoint(tmp_path).notes
    assert "trained with every instruction blanked, so that it never saw words there: kuka, toto" in notes
