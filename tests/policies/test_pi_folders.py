"""Folders of pi0 and pi0.5 as they are found: openpi's names, tied embeddings, older trees, missing files, cameras that are not there."""

import json
import shutil
from pathlib import Path

import jax
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from drawn_flow import drawn_policy, word_digits

from octoscope.errors import CheckpointError, ConfigError, ObservationError
from octoscope.policies.parts import params_tree
from octoscope.policies.parts.text_reader import TextReader
from octoscope.policies.pi.model import PiModel
from octoscope.policies.pi.state_text import state_text

TOP, WRIST = "observation.images.top", "observation.images.wrist"
STATE = np.float32([0.5, -2, 1])
TEXT = "paligemma_with_expert.paligemma."


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return drawn_policy(tmp_path_factory.mktemp("pi") / "policy", "pi0")


def changed(folder: Path, target: Path, change) -> Path:
    """A copy of a folder whose weights are what `change` makes of them."""
    shutil.copytree(folder, target)
    weights = safetensors.numpy.load_file(target / "model.safetensors")
    safetensors.numpy.save_file(change(weights), target / "model.safetensors")
    return target


def acted(folder: Path, *cameras: str) -> np.ndarray:
    model = PiModel.load_pretrained(folder)
    rng = np.random.default_rng(1)
    images = {name: rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) for name in (TOP, WRIST)}
    inputs = model.inputs({name: images[name] for name in cameras or (TOP, WRIST)}, STATE, "pick up the red ball")
    return model.act(inputs, np.ones(model.noise_shape, np.float32))


def test_openpis_names_and_tied_embeddings_are_the_same_policy(folder, tmp_path):
    def as_openpi(weights):
        named = {name.removeprefix("model."): array for name, array in weights.items()}
        table = named.pop(f"{TEXT}model.language_model.embed_tokens.weight")
        named = {name.replace("action_time_mlp_", "time_mlp_"): array for name, array in named.items()}
        return {**named, f"{TEXT}lm_head.weight": table}

    np.testing.assert_array_equal(acted(changed(folder, tmp_path / "openpi", as_openpi)), acted(folder))


def test_what_is_too_old_or_missing_is_said(folder, tmp_path):
    old = changed(
        folder,
        tmp_path / "old",
        lambda w: {
            name.replace("paligemma.model.language_model", "paligemma.language_model.model"): a for name, a in w.items()
        },
    )
    with pytest.raises(CheckpointError, match=r"LeRobot before 0\.4.*lerobot/pi0_base"):
        PiModel.load_pretrained(old)
    name = f"model.{TEXT}model.language_model.embed_tokens.weight"
    bare = changed(folder, tmp_path / "bare", lambda w: {key: a for key, a in w.items() if key != name})
    with pytest.raises(CheckpointError, match=r"lacks '.*embed_tokens\.weight'"):
        PiModel.load_pretrained(bare)
    five = tmp_path / "five"
    shutil.copytree(folder, five)
    config = json.loads((five / "config.json").read_text()) | {"type": "pi05"}
    (five / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"does not fit the pi0\.5"):
        PiModel.load_pretrained(five)
    small = tmp_path / "small"
    shutil.copytree(folder, small)
    (small / "config.json").write_text(json.dumps(config | {"type": "pi0", "image_resolution": [64, 32]}))
    with pytest.raises(ConfigError, match=r"gives 8 x 4 patches, but the weights hold positions for 16"):
        PiModel.load_pretrained(small)


def test_a_tokenizer_that_is_nowhere_is_said(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    shutil.copytree(folder, tmp_path / "policy")
    shutil.rmtree(tmp_path / "policy" / "google")
    with pytest.raises(
        CheckpointError, match=r"reads words with 'google/paligemma-3b-pt-224'.*tokenizer\.json.*Put it at"
    ):
        PiModel.load_pretrained(tmp_path / "policy")


def test_heads_that_no_file_tells_are_said(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "policy")
    (tmp_path / "policy" / "google" / "paligemma-3b-pt-224" / "config.json").unlink()
    model = PiModel.load_pretrained(tmp_path / "policy")
    # Heads as wide as Gemma's.
    assert model.config.sizes.vision_heads == 8 // model.config.sizes.head_dim
    assert "how many heads" in model.remarks[0]
    assert PiModel.load_pretrained(folder).remarks == ()


def test_a_missing_camera_is_a_picture_that_nobody_looks_at(folder):
    model = PiModel.load_pretrained(folder)
    image = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    inputs = model.inputs({WRIST: image}, STATE, "pick up the red ball")
    groups = [(span.group, span.size) for span in model.layout(inputs).spans]
    assert groups[:3] == [("image_wrist", 16), ("image_empty_0", 16), ("language", 24)]
    seen = model.watch(inputs, np.ones(model.noise_shape, np.float32))
    assert np.flatnonzero(~seen.real)[:16].tolist() == list(range(16, 32))
    assert (seen.weights.suffix[..., 16:32] == 0).all()
    assert not np.array_equal(acted(folder, WRIST), acted(folder))
    with pytest.raises(ObservationError, match="A pi0 needs one camera at least"):
        model.inputs({}, STATE, "pick")


def test_the_state_is_told_in_bins_behind_the_words():
    reader = TextReader(word_digits(begin="<s>"), 30, padded=True)
    told = state_text(" lift_the cube\n", np.float32([-1.01, -1, -0.99, 0.9999, 1.5]))
    assert told.text == "Task: lift the cube, State: -1 0 1 255 255;\nAction: "
    words = reader.read(told.text, told.spoken, state=told.state)
    assert [piece.text for piece in words.pieces[: words.spoken]] == [
        "<s>",
        "Task:",
        "lift",
        "the",
        "cube",
        ",",
        "State:",
    ]
    assert [piece.text for piece in words.pieces if piece.kind == "word"] == ["lift", "the", "cube"]
    digits = [piece.text for piece in words.pieces[words.spoken :]]
    assert digits[:10] == ["-", "1", "0", "1", "2", "5", "5", "2", "5", "5"]
    # As many pieces in front of the state whatever the state is.
    other = state_text("lift the cube", np.float32([0, 0, 0, 0, 0]))
    assert reader.read(other.text, other.spoken, state=other.state).spoken == words.spoken


def test_a_cut_instruction_says_what_is_read():
    reader = TextReader(word_digits(begin="<s>"), 4, padded=True)
    words = reader.read_line("pick up the zebra")
    assert (words.reading.read, words.reading.cut) == ("pick up the", " zebra")
    assert words.real.all()
    whole = TextReader(word_digits(begin=None), 8, padded=False).read_line("pick up the zebra")
    assert whole.reading.unknown == ("zebra",)
    assert len(whole.ids) == 5


def test_matrices_that_stay_bfloat16_change_no_bit(folder, tmp_path, monkeypatch):
    def halve(weights):
        return {name: array.astype(ml_dtypes.bfloat16) for name, array in weights.items()}

    halved = changed(folder, tmp_path / "halved", halve)
    whole, chunk = PiModel.load_pretrained(halved), acted(halved)
    monkeypatch.setattr(params_tree, "_LARGE", 0)
    kept = PiModel.load_pretrained(halved)
    assert {leaf.dtype for leaf in jax.tree.leaves(whole.params)} == {np.dtype(np.float32)}
    assert all((leaf.dtype == np.float32) == (leaf.ndim == 1) for leaf in jax.tree.leaves(kept.params))
    np.testing.assert_array_equal(acted(halved), chunk)
