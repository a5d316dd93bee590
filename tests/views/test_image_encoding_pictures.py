"""Pictures of image encodings: all are drawn of a run that holds everything, and what a run lacks is said."""

import base64
import dataclasses
import io
import json

import numpy as np
import pytest
from PIL import Image

import octoscope as osc
from octoscope.encodings.linear_probe import ProbeScore
from octoscope.encodings.nearest_patches import PatchPlace, nearest_patches
from octoscope.encodings.patch_encodings import patch_encodings
from octoscope.encodings.principal_colors import fit_color_basis
from octoscope.encodings.probe_samples import probe_samples
from octoscope.encodings.residual_norms import residual_norms
from octoscope.encodings.window_change import window_change
from octoscope.errors import SelectionError
from octoscope.render.outline import ASKED, NEIGHBOR, OUTLIER
from octoscope.views.image_encodings import write_image_encodings
from octoscope.views.nearest_patches_page import PageLimits, nearest_patches_data, write_nearest_patches_page
from octoscope.views.nearest_patches_sheet import cell_region, nearest_patches_sheet
from octoscope.views.norm_pictures import norm_maps_sheet
from octoscope.views.patch_color_sheet import color_cells, patch_colors_sheet
from octoscope.views.probe_pictures import probes_chart
from octoscope.views.travel_sheet import travel_sheet
from octoscope.views.window_sheet import window_change_sheet

POINTS = ("blocks.input", "blocks.*.residual", "tokens.obs_*.projection", "tokens.obs_*.embedding")


@pytest.fixture(scope="module")
def encoding_run(demo_model, demo_episode):
    steps = [0, 1, 4]
    return osc.attend(
        demo_model,
        demo_episode,
        steps=steps,
        options=osc.WatchOptions(query_groups="all", encodings=POINTS, dtype="float32"),
    )


@pytest.fixture(scope="module")
def encodings(encoding_run):
    return patch_encodings(encoding_run)


def test_patch_encodings_are_the_captured_ones_in_their_places(encoding_run, encodings):
    assert encodings.depths == ("input", *(f"block {layer}" for layer in range(encoding_run.num_layers)))
    assert encodings.camera == "primary"
    rows, columns = encodings.grid
    place = encoding_run.layout.select("obs_primary", timestep=-1)[1 * columns + 2]
    stored = encoding_run.encoding("blocks.1.residual", step=4)[place]
    assert (encodings.values[2, 2, -1, 1, 2] == stored).all()
    assert (encodings.current[2, 2, 1, 2] == stored).all()
    assert encodings.real[0].tolist() == [False, True]
    assert encodings.times[2].tolist() == [3, 4]
    assert rows * columns == len(encoding_run.layout.select("obs_primary", timestep=-1))


def test_a_run_without_encodings_says_how_to_get_them(demo_run):
    with pytest.raises(SelectionError, match=r"--encodings blocks\.input"):
        patch_encodings(demo_run)


def test_everything_is_drawn_and_what_is_missing_is_said(encoding_run, tmp_path):
    report = write_image_encodings([encoding_run, encoding_run], tmp_path, patch=(1, 1), step=4)
    assert {path.stem for path in report.files} == {
        "patch_colors",
        "nearest_patches",
        "nearest_patches_other_episodes",
        "layer_similarity",
        "position_embeddings",
        "norms",
        "norm_maps",
        "window_change",
        "window_change_by_depth",
        "attention_by_depth",
        "travel",
    }
    assert all(path.exists() for path in (*report.files, *report.pages))
    assert [page.name for page in report.pages] == ["nearest_patches.html"]
    assert report.notes == [
        "No probes: they need 5 episodes or more, got 2.",
        "Drawn of primary. Of another camera: --camera wrist.",
    ]
    assert report.figures["part of patches that stand out by their length"].startswith("input: 0")
    assert "even attention" in report.figures["rows of patches, mean over heads: distance (patches)"]


def test_a_run_of_some_rows_and_points_has_fewer_pictures(demo_model, demo_episode, tmp_path):
    run = osc.attend(demo_model, demo_episode, steps=[0], options=osc.WatchOptions(encodings="blocks.1.residual"))
    report = write_image_encodings([run], tmp_path)
    assert "travel" not in {path.stem for path in report.files}
    told = " ".join(report.notes)
    assert "No attention by depth" in told
    assert "No position embeddings" in told
    assert "No change within the window" in told


def test_runs_of_other_depths_and_patches_beyond_the_grid_are_refused(demo_model, demo_episode, encoding_run, tmp_path):
    other = osc.attend(demo_model, demo_episode, steps=[0], options=osc.WatchOptions(encodings="blocks.1.residual"))
    with pytest.raises(SelectionError, match="same depths"):
        write_image_encodings([encoding_run, other], tmp_path)
    with pytest.raises(SelectionError, match="must lie on the grid"):
        write_image_encodings([encoding_run], tmp_path, patch=(0, 99))
    assert not list(tmp_path.iterdir())


def test_a_cell_of_the_colour_sheet_has_the_colour_of_its_encoding(encoding_run, encodings):
    basis = fit_color_basis(encodings.current[1])
    cells = basis.colors(encodings.current[1, 2])
    frame = encoding_run.frame("primary", time=4)
    picture = color_cells(cells, frame=frame, box=encodings.box, size=128)
    (top, left, bottom, right), (rows, columns) = encodings.box, encodings.grid
    y = (top + 2.5 / rows * (bottom - top)) / frame.shape[0] * picture.shape[0]
    x = (left + 1.5 / columns * (right - left)) / frame.shape[1] * picture.shape[1]
    assert (picture[int(y), int(x)] == cells[2, 1]).all()
    sheet = patch_colors_sheet(encoding_run, encodings, steps=[4])
    assert [row.label.split(":")[0] for row in sheet.rows] == ["as recorded", *encodings.depths]
    drawn = color_cells(cells, frame=frame, box=encodings.box, size=sheet.tile_size)
    np.testing.assert_array_equal(sheet.rows[2].tiles[0].image, drawn)
    with pytest.raises(SelectionError, match="step 2"):
        patch_colors_sheet(encoding_run, encodings, steps=[2])


def test_another_episodes_basis_gives_its_colours(encoding_run, encodings):
    bases = [fit_color_basis(0.5 * each) for each in encodings.current]
    own, other = (patch_colors_sheet(encoding_run, encodings, bases=given) for given in (None, bases))
    cells = bases[0].colors(encodings.current[0, -1])
    frame = encoding_run.frame("primary", time=4)
    drawn = color_cells(cells, frame=frame, box=encodings.box, size=other.tile_size)
    np.testing.assert_array_equal(other.rows[1].tiles[-1].image, drawn)
    assert not np.array_equal(own.rows[1].tiles[-1].image, drawn)


def test_neighbours_are_drawn_with_and_without_position(encoding_run, encodings):
    place = PatchPlace(0, 2, 1, 1)
    for without in (False, True):
        sheet = nearest_patches_sheet([encoding_run], [encodings], place, count=2, without_position=without)
        assert ("mean over all frames taken away" in sheet.title) == without
        for depth, row in enumerate(sheet.rows):
            known = nearest_patches(
                [encodings.current[depth]], place, count=2, without_position=without, one_per="frame"
            )
            asked, *neighbors = row.tiles
            assert asked.mark == ASKED
            assert asked.outline.any()
            assert [tile.note.split(" ")[0] for tile in neighbors] == [f"{each.cosine:.2f}" for each in known]
            assert {tile.mark for tile in neighbors} == {NEIGHBOR}


def test_a_page_holds_the_neighbours_of_every_patch(encoding_run, encodings, tmp_path):
    start = PatchPlace(0, 2, 1, 1)
    data = nearest_patches_data([encoding_run, encoding_run], [encodings, encodings], start)
    rows, columns = data["grid"]
    cells = rows * columns
    assert [(frame["episode"], frame["step"]) for frame in data["frames"]] == [
        (e, s) for e in (0, 1) for s in (0, 1, 4)
    ]
    assert data["start"] == [2, columns + 1]
    assert len(data["colors"]) == len(data["depths"]) == len(encodings.depths)
    for where, kind, chosen in (
        ("all", "raw", {}),
        ("others", "centred", {"one_per": "episode", "other_episodes": True}),
    ):
        for depth in range(len(data["depths"])):
            stream = [each.current[depth] for each in (encodings, encodings)]
            known = nearest_patches(stream, start, count=6, without_position=kind == "centred", **chosen)
            places, cosines = data["tables"][where][kind][depth][2][columns + 1]
            assert len(places) == len(known)
            np.testing.assert_allclose(np.array(cosines) / 1000, [n.cosine for n in known], atol=1e-3)
            # Where the two runs are the same, which of them comes first is open.
            assert {place % cells for place in places} == {n.place.row * columns + n.place.column for n in known}
    assert "sought in 6 of 6 frames, and 6 of them can be clicked" in data["lines"][-1]
    write_nearest_patches_page([encoding_run], [encodings], tmp_path / "page.html", start)
    page = (tmp_path / "page.html").read_text()
    held = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert "others" not in held["tables"]
    # It opens from a file, without a network.
    assert "http" not in page.replace(json.dumps(held, separators=(",", ":")), "")


def test_a_page_is_bounded_and_says_what_it_leaves_out(encoding_run, encodings):
    cells = encodings.grid[0] * encodings.grid[1]
    each = cells * len(encodings.depths) * 2 * 2 * 2
    limits = PageLimits(patches=4 * cells, neighbors=3 * each, count=2, frame_size=32)
    start = PatchPlace(1, 1, 0, 0)
    data = nearest_patches_data([encoding_run, encoding_run], [encodings, encodings], start, limits=limits)
    assert len(data["frames"]) == 4
    assert len(data["asked"]) == 3
    assert "sought in 4 of 6 frames, and 3 of them can be clicked" in data["lines"][-1]
    shown = data["frames"][data["start"][0]]
    assert (shown["episode"], shown["step"]) == (1, encodings.steps[1])
    assert data["start"][0] in data["asked"]
    image = Image.open(io.BytesIO(base64.b64decode(shown["image"].partition(",")[2])))
    assert max(image.size) == 32


def test_a_patch_that_stands_out_is_outlined(encoding_run, encodings):
    values = encodings.values.copy()
    values[1, 2, -1, 1, 1] *= 100
    loud = dataclasses.replace(encodings, values=values)
    norms = residual_norms(loud.current)
    assert norms.outliers[1, 2, 1, 1]
    marked = norm_maps_sheet(encoding_run, loud, norms, step=4)
    frame = encoding_run.frame("primary", time=4)
    np.testing.assert_array_equal(marked.rows[0].tiles[2].outline, cell_region(frame, loud.box, loud.grid, 1, 1))
    assert marked.marks() == [OUTLIER]
    unmarked = dataclasses.replace(norms, outliers=np.zeros_like(norms.outliers))
    assert norm_maps_sheet(encoding_run, loud, unmarked, step=4).marks() == []


def test_the_padded_step_is_drawn_as_such(encoding_run, encodings):
    change = window_change(encodings.values, encodings.real)
    first, later = (window_change_sheet(encoding_run, encodings, change, step=step) for step in (0, 4))
    assert [sheet.rows[0].tiles[0].dimmed for sheet in (first, later)] == [True, False]
    assert all(np.isnan(tile.heat).all() and tile.note == "padding" for tile in first.rows[1].tiles)
    np.testing.assert_array_equal(later.rows[1].tiles[1].heat, change.in_apart()[1, 2])
    assert any("this is one of them" in line for line in first.subtitle)
    with pytest.raises(SelectionError, match="no step 3"):
        window_change_sheet(encoding_run, encodings, change, step=3)


def test_travel_has_a_second_row_where_it_was_measured(encoding_run, encodings):
    parts = np.zeros((3, encoding_run.layout.size))
    parts[:, encoding_run.layout.select("obs_primary", timestep=-1)[0]] = 1.0
    told = {"camera": "primary", "patch": (0, 0), "step": 4, "box": encodings.box}
    alone = travel_sheet(encoding_run, parts, **told)
    both = travel_sheet(encoding_run, parts, measured=parts, **told)
    assert [row.label for row in alone.rows] == ["rollout"]
    assert [row.label for row in both.rows] == ["rollout", "measured"]
    # All of it is at the patch, and a part of 0 lies below the scale.
    heat = alone.rows[0].tiles[1].heat
    assert heat[0, 0] == 0.0
    assert heat[1, 1] < alone.bar.scale.vmin


def test_probes_need_masks(encoding_run, encodings):
    with pytest.raises(SelectionError, match="masks/primary"):
        probe_samples([encoding_run], [encodings])


def test_probe_panels_are_drawn_with_their_baselines():
    def score(accuracy):
        return ProbeScore(accuracy, accuracy - 0.1, accuracy + 0.1, 0.5, 0.5, (0, 1), 9, 90)

    scores = {"named": {"input": score(0.5), "block 0": score(0.9), "position": score(0.6)}}
    panel = probes_chart(scores, depths=["input", "block 0"], questions={"named": "is it named?"}).panel("is it named?")
    curves = panel.labelled()
    assert curves["read"].values.tolist() == [0.5, 0.9]
    assert curves["read"].high.tolist() == [0.6, 1.0]
    assert curves["position"].values.tolist() == [0.6, 0.6]
    assert curves["guessing"].dashed
    assert (panel.bottom, panel.top) == (0.0, 1.0)
    assert "n = 9 episodes" in panel.note
    assert "position" not in probes_chart(scores, depths=["input", "block 0"], baselines=()).panels[0].labelled()
