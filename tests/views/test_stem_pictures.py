"""The stem's pictures: one scale, the words that must be there, tables with a line for each channel, and files without interventions."""

import csv

import numpy as np
import pytest

from octoscope.cnn.networks.network import Layer
from octoscope.cnn.stems.channel_effects import ChannelEffects
from octoscope.cnn.stems.contrast_effects import ContrastResponse
from octoscope.cnn.stems.encoder_facts import EncoderFacts
from octoscope.cnn.stems.encoder_reading import EncoderReadings
from octoscope.cnn.stems.encoder_sheet import encoder_comparison_chart, encoder_table
from octoscope.cnn.stems.ridge_regression import Reading
from octoscope.cnn.stems.translation import ShiftResponse
from octoscope.policies.action_units import action_units
from octoscope.studies.cnn.stem_results import write_stem_pictures
from octoscope.views.channel_effects_sheet import (
    channel_effects_chart,
    channel_effects_table,
    write_channel_effects,
)
from octoscope.views.contrast_picture import contrast_response_chart


def hand_made_effects(channels=3):
    rng = np.random.default_rng(0)
    size = rng.random((4, 2, channels)) * 0.1
    size[:, 0, 1] = 0.5
    return ChannelEffects(
        policy="planted",
        note="",
        camera="primary",
        layer=Layer("relu_0", "relu", channels, (8, 8)),
        frames=tuple(f"episode {number} step 0" for number in range(4)),
        averaged_over=20,
        seed=0,
        units=action_units("tabletop", 7),
        moves=np.ones(7, bool),
        size=size,
        change=rng.random((4, 2, channels, 7)),
        noise=np.full((4, 2), 0.3),
        noise_change=np.full((4, 2, 7), 0.1),
    )


def test_effects_have_a_line_for_each_channel_and_fill(tmp_path):
    effects = hand_made_effects()
    write_channel_effects(tmp_path, [effects, effects])
    rows = list(csv.DictReader((tmp_path / "channel_effects.csv").read_text().splitlines()))
    assert len(rows) == 2 * 2 * 3
    assert (rows[0]["channel"], rows[0]["fill"], float(rows[0]["size"])) == ("1", "mean", 0.5)
    assert float(rows[0]["other noise"]) == 0.3
    assert "x (m)" in rows[0]
    assert channel_effects_table([effects]).columns["channel"][0] == 1
    assert (tmp_path / "channel_effects.png").stat().st_size > 1000


def test_channels_are_ranked_and_the_note_explains_the_dashed_line_only_where_it_is_drawn():
    effects = hand_made_effects()
    whole, low = channel_effects_chart([effects]), channel_effects_chart([effects], top=0.2)
    curves = whole.panels[0].labelled()
    assert curves["fill mean"].values.tolist() == sorted(effects.mean_size("mean"), reverse=True)
    assert (curves["other noise"].values == 0.3).all()
    assert "Dashed: what other noise" in whole.footnote
    assert "other noise" not in low.panels[0].labelled()
    assert "Dashed" not in low.footnote
    assert "lies above the scale" in low.footnote


def test_contrast_is_drawn_beside_its_controls():
    values = np.array([[0.1, 0.2], [0.1, 0.3]])
    picture = np.full((32, 32, 3), 90, np.uint8)
    found = ContrastResponse(
        "planted",
        "",
        ("a", "b"),
        (0.5, 0.1),
        pixel_change=100 * values,
        as_is=values,
        norm_held=2 * values,
        all_held=3 * values,
        pixel_noise=4 * values,
        noise=np.full((2, 3), 0.5),
        pictures=(picture,) * 3,
    )
    chart = contrast_response_chart(found)
    assert [panel.title for panel in chart.panels[:3]] == ["unchanged", "x 0.5", "x 0.1"]
    curves = chart.panels[-1].labelled()
    for label, times in (
        ("policy as it is", 1),
        ("first norm held", 2),
        ("all norms held", 3),
        ("pixel noise as large", 4),
    ):
        assert curves[label].values == pytest.approx([0.1 * times, 0.25 * times])
    assert (curves["other action noise"].values == 0.5).all()


def test_encoders_are_drawn_and_written_side_by_side():
    facts = [EncoderFacts(name, (32, 32), (2, 2), 8, 31, 16, 0.0, 100, 1000) for name in ("own", "random")]
    reading = Reading(0.5, 0.4, 0.6, 10, 3)
    readings = EncoderReadings({name: {"colour": reading} for name in ("own", "random")}, {"own": 8, "random": 8})
    curve = np.array([0.1, 0.8])
    shifts = [ShiftResponse(name, (1, 16), curve, 1 - curve, 1 - curve) for name in ("own", "random")]
    chart = encoder_comparison_chart(facts, readings, shifts, note="planted")
    assert chart.panels[0].values.tolist() == [[0.5], [0.5]]
    assert chart.panel("Change of tokens (1: as another token)").labelled()["own"].values.tolist() == [0.1, 0.8]
    assert chart.subtitle[-1] == "planted"
    table = encoder_table(facts, readings, shifts).columns
    place = list(table["figure"]).index("reading colour")
    assert (table["encoder"][place], table["value"][place], table["high"][place]) == ("own", 0.5, 0.6)
    assert len(table["figure"]) == 2 * (7 + 1 + 2 * 3)


def test_the_stem_is_drawn_without_interventions(tmp_path, demo_model, demo_episode):
    figures = write_stem_pictures(demo_model, [demo_episode], tmp_path, camera="wrist", places=0)
    names = {file.name for file in tmp_path.iterdir() if file.suffix != ".parquet"}
    maps = {f"stem_maps_relu_{number}.png" for number in range(4)}
    assert names == {"stem_kernels.png", "stem_field.png", "stem_layers.csv", "stem_channels.csv", *maps}
    assert figures["relu_0 dead"] == 0
    layers = list(csv.DictReader((tmp_path / "stem_layers.csv").read_text().splitlines()))
    assert [row["layer"] for row in layers] == [f"relu_{number}" for number in range(4)]
