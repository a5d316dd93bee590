"""`octoscope cnn` on pictures and frames that are stored upside down, with red and blue exchanged, or under other cameras' names."""

import numpy as np
import pytest
from PIL import Image

import octoscope as osc
from octoscope.cli.main import main
from octoscope.cnn.activation_maps.action_score import camera_picture
from octoscope.studies.cnn.features import features
from octoscope.studies.cnn.gradcam import _of_action
from octoscope.studies.cnn.picture import open_picture
from octoscope.studies.options.cnn_features import CnnFeaturesOptions
from octoscope.studies.options.cnn_gradcam import CnnGradcamOptions
from octoscope.studies.options.given import Given
from octoscope.studies.options.stored import StoredFrames, StoredPictures
from octoscope.studies.telling import silent


def test_a_picture_is_seen_as_it_was_meant(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 6, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "stored.png")
    for turn, seen in (("none", pixels), ("flip", pixels[::-1]), ("180", pixels[::-1, ::-1])):
        for swapped in (False, True):
            picture = open_picture(str(tmp_path / "stored.png"), (8, 6), StoredPictures(turn, swapped))
            np.testing.assert_array_equal(picture, seen[..., ::-1] if swapped else seen)


def test_an_action_is_explained_on_the_frames_as_they_were_meant():
    """Of a dataset whose cameras are exchanged, turned and in other colours, the policy sees what it would see of the first."""
    given = Given(
        turn="180", swap_red_blue=True, task="lift it", cameras=("primary=image_wrist", "wrist=image_primary")
    )
    asked = _of_action(CnnGradcamOptions("demo", "demo", step=2, given=given), tell=silent)
    frames = osc.open_episodes("demo")[0].images["wrist"]
    wanted = osc.open_episodes(
        "demo", cameras={"primary": "image_wrist", "wrist": "image_primary"}, turn="180", swap_red_blue=True
    )[0]
    np.testing.assert_array_equal(wanted.images["primary"][2], np.asarray(frames[2])[::-1, ::-1, ::-1])
    plain = _of_action(CnnGradcamOptions("demo", "demo", step=2, given=Given(task="lift it")), tell=silent)
    assert asked.arguments["inputs"] != plain.arguments["inputs"]
    policy = osc.OctoModel.load_pretrained("demo").policy
    prepared, _ = policy.prepare("primary", wanted.images["primary"][2])
    np.testing.assert_array_equal(camera_picture(asked.scores[0]), prepared)
    assert "'lift it'" in asked.notes[0]


def test_patches_are_looked_for_in_the_frames_as_they_were_meant(tmp_path):
    """The patch that answers most is the same patch, at the place where it is then."""
    given = {"network": "embedded", "image": "demo", "layer": "conv1", "filters": "0", "patches": "demo"}
    plain = features(CnnFeaturesOptions(**given, camera="wrist", output=tmp_path / "plain"))
    named = StoredFrames(cameras=("first=image_wrist", "second=image_primary"))
    other = features(CnnFeaturesOptions(**given, camera="first", stored=named, output=tmp_path / "named"))
    for one, same in zip(plain.patches[0], other.patches[0], strict=True):
        np.testing.assert_array_equal(one.patch, same.patch)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("features embedded demo --layer conv1 --cameras primary=image_wrist", "--cameras would change nothing"),
        ("gradcam embedded demo --split train", "--split would change nothing"),
        ("filters embedded --layer conv1 --turn 180", "--turn would change nothing"),
        ("gradcam demo demo --cameras primary=nothing", "nothing"),
    ],
)
def test_what_would_change_nothing_is_refused(line, sentence, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["cnn", *line.split(), "-o", str(tmp_path)])
    assert stop.value.code == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
