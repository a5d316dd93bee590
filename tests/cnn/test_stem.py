"""The stem: fields by formula and by gradient, kernels picture by picture, channels in numbers, what can be read off tokens."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_networks import small_network

from octoscope.cnn.networks.layer_fields import field_by_gradient, layer_field
from octoscope.cnn.networks.network import Layer
from octoscope.cnn.stems.channel_statistics import ChannelStatistics, channel_statistics
from octoscope.cnn.stems.channel_table import channel_table, layer_table
from octoscope.cnn.stems.encoder_facts import encoder_facts, encoder_facts_of
from octoscope.cnn.stems.encoder_variants import encode_frames, encoder_network, random_encoder
from octoscope.cnn.stems.nested_fields import nested_fields_sheet
from octoscope.cnn.stems.patch_targets import field_pixels, patch_pixels, patch_targets
from octoscope.cnn.stems.ridge_regression import read_linearly
from octoscope.cnn.stems.stem_kernels import stem_kernels, stem_kernels_sheet
from octoscope.cnn.stems.translation import shift_response, shifted
from octoscope.errors import EpisodeError, SelectionError
from octoscope.policies.octo.network.resnet import ViTResnet
from octoscope.policies.octo.network.stems import PatchEncoder, SmallStem, SmallStem16
from octoscope.render.palette import MARK
from tiny_policies import images, tiny_policy

SIZE = (64, 48)
ENCODERS = {
    "SmallStem16": SmallStem16(features=(32, 32, 32, 32), num_features=8),
    "SmallStem of 32-pixel patches": SmallStem(patch_size=32, features=(32, 32, 32, 32), num_features=8),
    "ViTResnet": ViTResnet(num_layers=(1, 1), width=0.5),
    "PatchEncoder": PatchEncoder(patch_size=16, num_features=8),
}


def without_weights(encoder, size=SIZE):
    """Kernels are all 1 in `field_by_gradient`; only their shapes count."""
    shapes = jax.eval_shape(encoder.init, jax.random.key(0), jnp.zeros((1, *size, 3)))["params"]
    params = jax.tree.map(lambda one: jnp.ones(one.shape, one.dtype), shapes)
    return encoder_network(encoder, params, size, name=type(encoder).__name__)


@pytest.mark.parametrize("name", ENCODERS)
def test_the_field_of_every_layer_is_exactly_what_its_gradient_reaches(name):
    network = without_weights(ENCODERS[name])
    for layer in network.layers:
        # A norm or a ReLU sees what the convolution before it sees.
        if layer.kind not in ("conv", "max_pool", "add"):
            continue
        rows, columns = layer.size
        unit = (rows // 2, columns - 1)
        top, left, bottom, right = layer_field(network, layer.name).box(unit, SIZE)
        expected = np.zeros(SIZE, bool)
        expected[top:bottom, left:right] = True
        np.testing.assert_array_equal(field_by_gradient(network, layer.name, unit), expected, err_msg=layer.name)


@pytest.mark.parametrize("name", ENCODERS)
def test_the_field_of_a_token_is_what_the_encoder_says_of_itself(name):
    network = without_weights(ENCODERS[name])
    said, found = ENCODERS[name].receptive_field(), layer_field(network, network.layers[-1].name).rows
    assert (found.size, found.stride, found.first_center) == (said.size, said.stride, said.first_center)


def test_the_drawing_of_fields_says_where_a_token_looks():
    network = without_weights(ENCODERS["SmallStem16"])
    sheet = nested_fields_sheet(network, np.full((*SIZE, 3), 90, np.uint8), (2, 1))
    assert "Token at row 2, column 1 of" in sheet.subtitle[0]
    assert all((tile.image == np.array(MARK)).all(axis=-1).any() for tile in sheet.tiles())
    with pytest.raises(SelectionError, match="`token` must be in"):
        nested_fields_sheet(network, np.full((*SIZE, 3), 90, np.uint8), (4, 0))


def test_channel_statistics_are_those_of_all_units_of_all_frames():
    network, rng = small_network(), np.random.default_rng(0)
    frames = rng.integers(0, 256, (11, 12, 12, 3)).astype(np.uint8)
    found = channel_statistics(network, iter(frames), ["relu1", "conv2"])
    for name, one in found.items():
        maps = np.asarray(network.activation(jnp.asarray(frames, jnp.float32), name), np.float64)
        flat = maps.reshape(-1, maps.shape[-1])
        assert one.frames == 11
        np.testing.assert_allclose(one.mean, flat.mean(axis=0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(one.deviation, flat.std(axis=0), rtol=1e-5)
        np.testing.assert_allclose(one.largest, flat.max(axis=0), rtol=1e-6)
        np.testing.assert_allclose(one.active, (flat > 0).mean(axis=0))
        np.testing.assert_allclose(one.mean_map, maps.mean(axis=0), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(one.correlation, np.corrcoef(flat.T), rtol=1e-4, atol=1e-5)
    with pytest.raises(EpisodeError, match="no frame"):
        channel_statistics(network, [], ["relu1"])


def planted_statistics() -> ChannelStatistics:
    """Channels 0 and 2 alike, 1 nowhere above 0, 3 the mirror image of 0, 4 by itself."""
    rng = np.random.default_rng(0)
    base, other = rng.random(500), rng.random(500)
    flat = np.stack([base, -np.ones(500), 0.5 * base + 0.01 * other, 1 - base, other], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.asarray(np.corrcoef(flat.T))
    return ChannelStatistics(
        "planted",
        "",
        Layer("relu_0", "relu", 5, (1, 1)),
        500,
        largest=flat.max(axis=0),
        mean=flat.mean(axis=0),
        deviation=flat.std(axis=0),
        active=(flat > 0).mean(axis=0),
        mean_map=flat.mean(axis=0)[None, None],
        correlation=correlation,
    )


def test_dead_and_duplicate_channels_are_counted_by_their_thresholds():
    found = planted_statistics()
    assert found.dead() == [1]
    assert found.dead(threshold=0.6) == [1, 2]
    assert {channel: copy for channel, (copy, _) in found.duplicates().items()} == {2: 0}
    assert found.duplicates(threshold=0.99999) == {}
    assert 1.5 < found.effective < 3
    table = layer_table({"relu_0": found})
    assert table.columns["dead (never above 0)"] == [1]
    assert table.columns["repeat another (correlation above 0.95)"] == [1]
    channels = channel_table({"relu_0": found})
    assert channels.columns["repeats"] == [-1, -1, 0, -1, -1]
    assert channels.to_csv().count("\n") == 6


def test_kernels_are_what_the_convolution_multiplies_by_and_goals_stand_apart(tmp_path):
    import octoscope as osc

    model = osc.OctoModel.load_pretrained("drawn")
    used, stored = stem_kernels(model, "primary"), stem_kernels(model, "primary", raw=True)
    np.testing.assert_allclose(used.kernels.mean(axis=(0, 1, 2, 3)), 0.0, atol=1e-5)
    np.testing.assert_allclose(used.kernels.std(axis=(0, 1, 2, 3)), 1.0, atol=1e-3)
    held = model.params["octo_transformer"]["observation_tokenizers_primary"]["SmallStem16_0"]["StdConv_0"]["kernel"]
    np.testing.assert_array_equal(stored.kernels.reshape(held.shape), np.asarray(held, np.float32))
    goals = tiny_policy(tmp_path / "goals", {"primary": images("image_primary", goals=("image_primary",))})
    found = stem_kernels(goals)
    assert found.pictures == ("image_primary", "goal image_primary")
    kernel = goals.params["octo_transformer"]["observation_tokenizers_primary"]["PatchEncoder_0"]["embedding"]["kernel"]
    np.testing.assert_array_equal(found.kernels[:, :, 1], np.asarray(kernel)[:, :, 3:])
    np.testing.assert_allclose(found.shares.sum(axis=0), 1.0)
    assert [row.label for row in stem_kernels_sheet(found).rows] == list(found.pictures)
    with pytest.raises(SelectionError, match="`filter` must be in"):
        stem_kernels_sheet(found, [99])


def test_a_colour_kernel_has_grey_for_zero_and_one_scale_for_all(tmp_path):
    import dataclasses

    found = stem_kernels(tiny_policy(tmp_path / "policy", {"primary": images("image_primary")}))
    kernels = np.zeros((2, 2, 1, 3, 2), np.float32)
    kernels[0, 0, 0, 0, 0], kernels[1, 1, 0, 2, 1] = 2.0, -1.0
    first, second = (
        tile.image.tolist() for tile in stem_kernels_sheet(dataclasses.replace(found, kernels=kernels)).tiles()
    )
    grey = [128, 128, 128]
    assert first == [[[255, 128, 128], grey], [grey, grey]]
    assert second == [[grey, grey], [grey, [128, 128, 64]]]


def test_a_reading_is_ridge_regression_on_the_training_episodes():
    rng = np.random.default_rng(0)
    values, episodes = rng.normal(size=(240, 6)) * [1, 10, 0.1, 1, 1, 1], np.repeat(np.arange(12), 20)
    target = values @ rng.normal(size=(6, 1)) + rng.normal(size=(240, 1))
    found = read_linearly(values, target, episodes=episodes, folds=4)
    # The slow way: least squares with the intercept as a column, fold by fold; the penalty hardly matters with 180 samples of 6 entries.
    fold = (np.random.default_rng(0).permutation(12) % 4)[episodes]
    error = spread = 0.0
    for number in range(4):
        train, test = fold != number, fold == number
        design = np.column_stack([values, np.ones(len(values))])
        weights = np.linalg.lstsq(design[train], target[train], rcond=None)[0]
        error += ((target[test] - design[test] @ weights) ** 2).sum()
        spread += ((target[test] - target[train].mean()) ** 2).sum()
    assert found.r2 == pytest.approx(1 - error / spread, abs=3e-3)
    assert found.low < found.r2 < found.high
    target[:40] = np.nan
    assert read_linearly(values, target, episodes=episodes).samples == 200
    with pytest.raises(ValueError, match="3 episodes"):
        read_linearly(values, target, episodes=episodes // 8)


def test_what_is_read_is_what_lies_under_the_patch():
    frames = np.full((1, 32, 32, 3), 100, np.uint8)
    frames[0, :, 8:16] = [200, 0, 0]
    masks = np.zeros((1, 32, 32), int)
    masks[0, 16:20, 16:22] = 2
    targets = patch_targets(frames, patch=16, masks=masks, objects=4)
    np.testing.assert_allclose(targets["colour"][0, 0, 0], [150, 50, 50])
    # An upright edge: the gradient points across.
    np.testing.assert_allclose(targets["edge direction"][0, 0, 0], [1, 0], atol=1e-9)
    assert np.isnan(targets["edge direction"][0, 1, 1]).all()
    np.testing.assert_allclose(targets["object in patch"][0, 1, 1], [2 / 16 - 0.5, 3 / 16 - 0.5])
    assert np.isnan(targets["object in patch"][0, 0, 0]).all()
    np.testing.assert_array_equal(targets["place in picture"][0, 1, 0], [1, 0])
    np.testing.assert_array_equal(patch_pixels(frames, patch=16)[0, 0, 1], frames[0, :16, 16:].ravel())
    wide = field_pixels(frames, patch=16)[0, 1, 1].reshape(16, 16, 3)
    np.testing.assert_allclose(
        wide[:8, :8], 0.25 * sum(frames[0, a:16:2, b:16:2].astype(float) for a in (0, 1) for b in (0, 1))
    )


def test_a_shift_by_the_stride_moves_patches_by_one():
    patches = random_encoder(PatchEncoder(patch_size=8, num_features=8), (48, 48), seed=0, name="patches")
    frames = np.random.default_rng(0).integers(0, 256, (6, 48, 48, 3)).astype(np.uint8)
    still, moved = encode_frames(patches, frames), encode_frames(patches, shifted(frames, 8, axis=2))
    np.testing.assert_allclose(moved[:, :, 1:], still[:, :, :-1], atol=1e-5)
    found = shift_response(patches, frames, episodes=np.arange(6), shifts=[1, 8])
    assert found.interpolated[1] == pytest.approx(1.0, abs=1e-6)
    # Pixels of noise: neighbours tell nothing of each other.
    assert found.change[1] == pytest.approx(1.0, abs=0.1)
    assert found.interpolated[0] < 0.5
    with pytest.raises(ValueError, match=r"1\.\.8"):
        shift_response(patches, frames, episodes=np.arange(6), shifts=[9])


def test_figures_of_an_encoder_are_those_counted_by_hand():
    facts = encoder_facts(random_encoder(ENCODERS["SmallStem16"], SIZE, seed=0, name="stem"), repeats=1)
    grids, kernels = [32 * 24, 16 * 12, 8 * 6, 4 * 3], [27 * 32, *[288 * 32] * 3]
    assert facts.multiplications == sum(a * b for a, b in zip(grids, kernels, strict=True)) + 12 * 32 * 8
    assert facts.parameters == sum(kernels) + 4 * 3 * 32 + 32 * 8 + 8
    assert facts.seconds > 0
    assert (facts.field, facts.stride, facts.first_center, facts.entries) == (31, 16, 0.0, 8)
    whole = encoder_facts_of(SmallStem16(features=(32, 32, 32, 32)), (256, 256), name="with goal", channels=6)
    assert whole.overlap == pytest.approx((31 / 16) ** 2)
