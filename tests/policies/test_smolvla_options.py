"""What LeRobot's SmolVLA fixture has not: words around pictures, cameras that are not there, an honest refusal of what is not read."""

import numpy as np
import pytest
from drawn_flow import drawn_policy

from octoscope.errors import CheckpointError, ConfigError
from octoscope.policies.smolvla.model import SmolVlaModel

TOP, WRIST = "observation.images.top", "observation.images.wrist"
STATE = np.float32([0.5, -2, 1])


def test_words_around_pictures_keep_their_size_even_around_an_empty_one(tmp_path):
    folder = drawn_policy(tmp_path / "policy", "smolvla", add_image_special_tokens=True, empty_cameras=1)
    model = SmolVlaModel.load_pretrained(folder)
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    inputs = model.inputs({WRIST: image}, STATE, "pick up the red ball")
    layout = model.layout(inputs)
    assert [(span.group, span.size) for span in layout.spans[:6]] == [
        ("image_wrist_start", 2),
        ("image_wrist", 4),
        ("image_wrist_end", 1),
        ("image_empty_0_start", 2),
        ("image_empty_0", 4),
        ("image_empty_0_end", 1),
    ]
    seen = model.watch(inputs, np.zeros(model.noise_shape, np.float32))
    table = np.asarray(model.params["text"]["embed_tokens"]["weight"])
    around, whole = (model.text.id_of(name) for name in ("<fake_token_around_image>", "<global-img>"))
    tokens = seen.encodings.prefix[0]
    for place, number in ((0, around), (1, whole), (6, around), (7, around), (8, whole), (13, around)):
        np.testing.assert_array_equal(tokens[place], table[number])
    # Other words are scaled by the square root of their width.
    np.testing.assert_allclose(tokens[14], 4 * table[model.text.tokenizer.token_to_id("pick")], rtol=1e-6)
    assert np.flatnonzero(~seen.real).tolist() == [9, 10, 11, 12]
    assert (seen.weights.suffix[..., 9:13] == 0).all()
    with pytest.raises(CheckpointError, match="has no such piece"):
        model.text.id_of("<nothing>")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"adapt_to_pi_aloha": True}, "adapt_to_pi_aloha"),
        ({"attention_mode": "self_attn"}, "only 'cross_attn'"),
        ({"resize_imgs_with_padding": [64, 32]}, "must be 32 on both sides"),
    ],
)
def test_what_is_not_read_is_refused(tmp_path, options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        drawn_policy(tmp_path / "policy", "smolvla", **options)
