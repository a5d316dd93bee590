"""Class activation maps against hand-worked cases, and the closed form against ablation one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import octoscope as osc
from octo_given import octo_given
from octoscope.cnn.activation_maps.action_score import action_score
from octoscope.cnn.activation_maps.activation_maps import (
    CAM_METHODS,
    ablation_cam,
    activation_map,
    channel_masks,
    grad_cam,
    score_cam,
)
from octoscope.cnn.activation_maps.class_score import class_score, default_cam_layer, leads_affinely, score_layer
from octoscope.cnn.activation_maps.explained_score import ExplainedScore
from octoscope.cnn.networks.graph import GraphNetwork, in_sequence
from octoscope.cnn.networks.network import Layer
from octoscope.cnn.networks.steps import Conv, MeanPool, Relu
from octoscope.errors import SelectionError

PICTURE = np.random.default_rng(0).uniform(0, 255, (8, 8, 3)).astype(np.float32)


def classifier(*, relu_before_mean: bool = False) -> GraphNetwork:
    """A convolution of four filters, a ReLU, and three classes: by mean and linear head, or as SqueezeNet ends."""
    rng = np.random.default_rng(1)
    weights = {
        "conv": {"kernel": jnp.asarray(rng.normal(0, 0.5, (3, 3, 3, 4)), jnp.float32), "bias": jnp.zeros(4)},
        "head": {
            "kernel": jnp.asarray(rng.normal(0, 1, (1, 1, 4, 3)), jnp.float32),
            "bias": jnp.asarray([0.1, 0.2, 0.3]),
        },
    }
    ends = (
        [("head", Conv()), ("relu_head", Relu()), ("mean", MeanPool())]
        if relu_before_mean
        else [("mean", MeanPool()), ("head", Conv())]
    )
    nodes = in_sequence(("conv", Conv()), ("relu", Relu()), *ends)
    return GraphNetwork(
        "classifier", nodes, weights, (8, 8), (120.0,) * 3, (60.0,) * 3, class_names=("cat", "dog", "cow")
    )


def score_of_two_units(weights) -> ExplainedScore:
    """Two channels on a map of 1 x 2, whose score is a weighted sum: gradients are the weights, whatever the activation."""
    weights = jnp.asarray(weights, jnp.float32)
    activation = jnp.asarray([[[[1.0, 2.0], [3.0, 0.0]]]])
    return ExplainedScore(
        "by hand",
        "class 0",
        Layer("maps", "relu", 2, (1, 2)),
        jnp.zeros((1, 2, 4, 3)),
        activation,
        (0.0, 0.0, 0.0),
        lambda seen: (seen * weights).sum(axis=(1, 2, 3)),
        lambda images: images.sum(axis=(1, 2, 3)),
        affine=True,
    )


def test_each_map_worked_by_hand():
    # Channel 0 has gradients 2 and 0 at the two units, channel 1 has -1 and 3.
    score = score_of_two_units([[[2.0, -1.0], [0.0, 3.0]]])
    assert score.value == pytest.approx(2 * 1 - 1 * 2 + 0 + 0)
    # Grad-CAM: weights (2 + 0) / 2 = 1 and (-1 + 3) / 2 = 1; map 1 + 2 and 3 + 0.
    np.testing.assert_allclose(activation_map(score, "gradcam").heat, [[3.0, 3.0]])
    # Layer-CAM: 2 * 1 + 0 * 2, then 0 * 3 + 3 * 0.
    np.testing.assert_allclose(activation_map(score, "layercam").heat, [[2.0, 0.0]])
    # Ablation: without channel 0 the score falls by 2, without channel 1 by -2; map 2 * 1 - 2 * 2 = -2 and 2 * 3 = 6.
    ablated = activation_map(score, "ablationcam")
    np.testing.assert_allclose(ablated.weights, [2.0, -2.0])
    np.testing.assert_allclose(ablated.signed, [[-2.0, 6.0]])
    np.testing.assert_allclose(ablated.heat, [[0.0, 6.0]])
    # Grad-CAM++: channel 0: g = 2, sum A = 4: 4 / (8 + 32) * 2 = 0.2. Channel 1: g = 3, sum A = 2: 9 / (18 + 54) * 3 = 0.375.
    np.testing.assert_allclose(activation_map(score, "gradcam++").weights, [0.2, 0.375], rtol=1e-6)
    # What lowers the score is what raises minus the score.
    np.testing.assert_allclose(activation_map(score.negated(), "ablationcam").heat, [[2.0, 0.0]])


def test_score_cam_weighs_by_the_scores_of_masked_pictures():
    score = score_of_two_units(np.zeros((1, 2, 2)))
    masks = np.asarray(channel_masks(score.activation[0], (2, 4)))
    assert (masks.min(), masks.max()) == (0.0, 1.0)
    picture = ExplainedScore(**{**vars(score), "image": jnp.full((1, 2, 4, 3), 0.1)})
    sums = masks.sum(axis=(0, 1)) * 3 * 0.1
    expected = np.exp(sums) / np.exp(sums).sum()
    np.testing.assert_allclose(score_cam(picture).weights, expected, rtol=1e-5)


def test_the_closed_form_is_ablation_one_by_one():
    score = class_score(classifier(), PICTURE, 1)
    assert (score.layer.name, score.title, score.affine) == ("relu", "class 1: dog", True)
    closed, slow = ablation_cam(score), ablation_cam(score, closed_form=False, chunk=3)
    np.testing.assert_allclose(closed.weights, slow.weights, rtol=1e-4, atol=1e-5)
    head = np.asarray(classifier().weights["head"]["kernel"])[0, 0, :, 1]
    np.testing.assert_allclose(
        closed.weights, head * np.asarray(score.activation[0]).mean(axis=(0, 1)), rtol=1e-4, atol=1e-5
    )
    assert (closed.cost, slow.cost) == ("1 forward + 1 backward", "1 forward + 4 from the layer on")
    # Average pool and linear head: Grad-CAM's weights are those of the head, spread over the 64 units.
    np.testing.assert_allclose(grad_cam(score).weights, head / 64, rtol=1e-4)


def test_a_relu_behind_the_layer_has_no_closed_form():
    network = classifier(relu_before_mean=True)
    score = class_score(network, PICTURE, 1)
    assert not score.affine
    assert ablation_cam(score).tail_forwards == 4
    assert score_layer(network).name == "head"
    assert class_score(network, PICTURE, 1, output="head").affine
    assert not leads_affinely(network.program, "conv")
    assert default_cam_layer(network).name == "relu"


def test_the_score_does_not_depend_on_where_it_is_seen_from():
    network = classifier()
    expected = float(network.activation(jnp.asarray(PICTURE)[None], "head")[0, 0, 0, 2])
    for layer in ("conv", "relu", "mean"):
        score = class_score(network, PICTURE, 2, layer=layer)
        assert score.value == pytest.approx(expected, rel=1e-5)
        assert float(score.from_images(score.image)[0]) == pytest.approx(expected, rel=1e-5)
    strongest = int(network.activation(jnp.asarray(PICTURE)[None], "head")[0, 0, 0].argmax())
    assert class_score(network, PICTURE).title.startswith(f"class {strongest}")


def test_maps_of_an_action(demo_model: osc.OctoModel, demo_episode: osc.Episode):
    given = octo_given(demo_model, demo_episode, 2)
    observation, tasks = given.observation, given.tasks
    score = action_score(demo_model, observation, tasks, dim=1, seed=3)
    actions = demo_model.sample_actions(observation, tasks, rng=jax.random.key(3))
    assert score.value == pytest.approx(float(actions[0, 0, 1]), abs=1e-4)
    assert "action dimension 1 at horizon step 0" in score.title
    assert grad_cam(score).heat.shape == score.layer.size
    with pytest.raises(SelectionError, match="`dim` must be in 0"):
        action_score(demo_model, observation, tasks, dim=99)
    with pytest.raises(SelectionError, match="has no head 'grip'"):
        action_score(demo_model, observation, tasks, dim=0, head="grip")


def test_bad_input_gets_a_sentence():
    with pytest.raises(SelectionError, match="Did you mean 'gradcam'"):
        activation_map(class_score(classifier(), PICTURE), "gradcamm")
    with pytest.raises(SelectionError, match=r"`target` must be in 0\.\.2 at head"):
        class_score(classifier(), PICTURE, 3)
    with pytest.raises(SelectionError, match="does not lead to head"):
        class_score(classifier(), PICTURE, layer="head")
    assert set(CAM_METHODS) == {"gradcam", "gradcam++", "layercam", "scorecam", "ablationcam"}
