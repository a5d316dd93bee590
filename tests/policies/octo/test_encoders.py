"""Encoders and tokenizers that no official fixture covers: parameter names, shapes, and what they do with FiLM."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from octoscope.errors import ConfigError, ObservationError
from octoscope.policies.octo.checkpoint.module_spec import build
from octoscope.policies.octo.network.lowdim_tokenizer import LowdimObsTokenizer
from octoscope.policies.octo.network.resnet import ResNet26FILM, ViTResnet
from octoscope.policies.octo.network.stems import PatchEncoder, SmallStem16, SmallStem32, normalize_images
from octoscope.policies.octo.network.tokenizers import ImageTokenizer

IMAGES = jnp.asarray(np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)), jnp.uint8)
CONDITION = jnp.ones((2, 5))


def param_names(params):
    return set(traverse_util.flatten_dict(params, sep="/"))


@pytest.mark.parametrize(
    ("encoder", "shape"),
    [
        (SmallStem16(), (2, 4, 4, 512)),
        (SmallStem32(num_features=48), (2, 2, 2, 48)),
        (PatchEncoder(patch_size=16), (2, 4, 4, 512)),
        (ViTResnet(num_layers=(1, 1)), (2, 8, 8, 512)),
        (ViTResnet(width=0.5), (2, 16, 16, 32)),
    ],
)
def test_grid_and_width(encoder, shape):
    encodings, variables = jax.eval_shape(encoder.init_with_output, jax.random.key(0), IMAGES)
    assert encodings.shape == shape
    assert encoder.receptive_field().stride == 64 // shape[1]
    assert variables["params"]


def test_film_resnet_conditions_every_stage_but_the_first():
    encoder = ResNet26FILM()
    variables = jax.eval_shape(encoder.init, jax.random.key(0), IMAGES, CONDITION)
    names = param_names(variables["params"])
    assert {name.split("/")[0] for name in names if name.startswith("Film")} == {
        f"FilmConditioning_{k}" for k in range(3)
    }
    assert "block2/unit1/conv_proj/kernel" in names
    assert "block1/unit1/gn3/scale" in names
    assert "conv_root/kernel" in names
    assert not any(name.endswith("conv1/bias") for name in names)


@pytest.mark.parametrize("encoder", [SmallStem16(use_film=True), PatchEncoder(use_film=True, patch_size=16)])
def test_film_multiplies_with_its_first_layer_and_adds_its_second(encoder):
    plain, variables = encoder.init_with_output(jax.random.key(0), IMAGES, CONDITION)
    film = variables["params"]["FilmConditioning_0"]
    assert not np.asarray(film["Dense_0"]["kernel"]).any()

    def conditioned(layer):
        bias = jnp.ones_like(film[layer]["bias"])
        changed = {**film, layer: {**film[layer], "bias": bias}}
        return encoder.apply({"params": {**variables["params"], "FilmConditioning_0": changed}}, IMAGES, CONDITION)

    np.testing.assert_allclose(conditioned("Dense_0"), 2 * plain, rtol=1e-6)
    np.testing.assert_allclose(conditioned("Dense_1"), plain + 1, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("encoder", [SmallStem16(), ViTResnet(num_layers=(1, 1)), PatchEncoder(patch_size=16)])
def test_receptive_field_equals_the_one_found_by_gradients(encoder):
    size = 256
    images = jnp.asarray(np.random.default_rng(1).uniform(0, 255, (1, size, size, 3)), jnp.float32)
    variables = encoder.init(jax.random.key(0), images)
    # Through the convolutions only: a normalisation lets every pixel reach every unit.
    convolutions = {
        path: leaf for path, leaf in traverse_util.flatten_dict(variables["params"]).items() if "kernel" in path
    }
    assert convolutions
    field = encoder.receptive_field()
    unit = encoder.apply(variables, images).shape[1] // 2
    reached = _reached_pixels(encoder, variables, images, unit)
    first = field.first_center + field.stride * unit - (field.size - 1) / 2
    assert (reached.min(), reached.max()) == (first, first + field.size - 1)


def _reached_pixels(encoder, variables, images, unit):
    import unittest.mock

    import flax.linen as nn

    # Normalisations mix the whole image; without them only convolutions and pools carry a pixel to a unit.
    with (
        unittest.mock.patch.object(nn.GroupNorm, "__call__", lambda self, x: x),
        unittest.mock.patch.object(nn, "relu", lambda x: x),
        unittest.mock.patch.object(nn, "max_pool", lambda x, w, s, padding: nn.avg_pool(x, w, s, padding=padding)),
    ):
        gradient = jax.grad(lambda x: (encoder.apply(variables, x)[0, unit, unit] ** 2).sum())(images)
    rows = np.nonzero(np.abs(np.asarray(gradient[0])).sum(axis=(1, 2)) > 0)[0]
    return rows


def test_imagenet_norm_is_per_colour_and_needs_threes():
    images = jnp.full((1, 2, 2, 6), 255.0)
    normal = np.asarray(normalize_images(images, "imagenet"))
    np.testing.assert_allclose(
        normal[0, 0, 0, :3], (1 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225], rtol=1e-5
    )
    np.testing.assert_allclose(normal[..., 3:], normal[..., :3])
    with pytest.raises(ValueError, match="multiple of 3"):
        normalize_images(images[..., :4], "imagenet")


def test_token_learner_tokens_have_no_place_in_the_image():
    tokenizer = ImageTokenizer(
        encoder=lambda: SmallStem16(features=(32, 32), kernel_sizes=(3, 3), strides=(4, 4), num_features=16),
        obs_stack_keys=("image_.*",),
        use_token_learner=True,
        num_tokens=3,
    )
    group, variables = tokenizer.init_with_output(jax.random.key(0), {"image_primary": IMAGES[None]}, {})
    assert group.tokens.shape == (1, 2, 3, 16)
    assert group.source.grid is None
    assert group.source.cameras == ("primary",)
    assert "TokenLearner_0/MAPHead_0/probe" in param_names(variables["params"])


def test_numbers_become_tokens_in_the_order_of_the_patterns():
    observations = {"proprio": jnp.array([[[1.0, 2.0]]]), "force": jnp.array([[[3.0]]])}
    raw = LowdimObsTokenizer(obs_keys=("force", "pro.*")).apply({}, observations)
    assert raw.tokens[0, 0, :, 0].tolist() == [3.0, 1.0, 2.0]
    assert raw.source.inputs == ("force", "proprio")
    binned = LowdimObsTokenizer(obs_keys=("force",), discretize=True, n_bins=4, low=0.0, high=4.0)
    assert binned.apply({}, observations).tokens.tolist() == [[[[0.0, 0.0, 0.0, 1.0]]]]
    assert LowdimObsTokenizer(obs_keys=("nothing",)).apply({}, observations) is None


def film_spec(**tokenizer):
    stem = {
        "module": "octo.model.components.vit_encoders",
        "name": "SmallStem16",
        "args": [],
        "kwargs": {"use_film": True},
    }
    return {
        "module": "octo.model.components.tokenizers",
        "name": "ImageTokenizer",
        "args": [],
        "kwargs": {"encoder": stem, **tokenizer},
    }


def test_film_without_its_condition_is_refused():
    with pytest.raises(ConfigError, match="`use_film` needs the tokenizer's `task_film_keys`"):
        build(film_spec(), lambda name: None)
    tokenizer = build(film_spec(task_film_keys=["language_instruction"]), lambda name: None)()
    with pytest.raises(ObservationError, match="conditioned on the task's 'language_instruction'"):
        tokenizer.init(jax.random.key(0), {"image_primary": IMAGES[None]}, {})
