"""Every option of the image and number tokenizers, on inputs small enough to check by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from octoscope.errors import ObservationError
from octoscope.policies.octo.checkpoint.module_spec import build
from octoscope.policies.octo.network.token_group import TokenGroup
from octoscope.policies.octo.network.transformer import OctoTransformer
from small_policies import TEXT_ENCODER, encoder, tokenizer

KEY = jax.random.key(0)
PIXELS = np.random.default_rng(0).integers(0, 256, (1, 2, 2, 2, 3)).astype(np.uint8)


def images(**options):
    """A tokenizer whose four tokens are the image's four pixels, times its weights."""
    pixels = encoder("PatchEncoder", patch_size=1, num_features=8, use_film="task_film_keys" in options)
    return build(tokenizer("ImageTokenizer", encoder=pixels, **options), lambda name: TEXT_ENCODER)()


def channels(variables):
    return variables["params"]["PatchEncoder_0"]["embedding"]["kernel"].shape[2]


def test_patterns_match_at_the_start_and_images_are_stacked_in_sorted_order():
    module = images(obs_stack_keys=["image_[pw]", "depth"])
    observations = {
        "image_wrist": PIXELS + 1,
        "image_primary": PIXELS,
        "depth_wrist": PIXELS[..., :1],
        "my_image_p": PIXELS,
    }
    group, variables = module.init_with_output(KEY, observations, {})
    assert group.source.inputs == ("depth_wrist", "image_primary", "image_wrist")
    params = variables["params"]["PatchEncoder_0"]["embedding"]
    stacked = np.concatenate([PIXELS[..., :1], PIXELS, PIXELS + 1], -1).reshape(1, 2, 4, 7).astype(np.float32)
    by_hand = (stacked / 127.5 - 1) @ params["kernel"][0, 0] + params["bias"]
    np.testing.assert_allclose(group.tokens, by_hand, atol=1e-5)


def test_all_cameras_and_depths_are_stacked_by_default():
    group = images().init_with_output(KEY, {"depth_a": PIXELS, "image_b": PIXELS, "proprio": jnp.ones((1, 2, 3))}, {})[
        0
    ]
    assert group.source.inputs == ("depth_a", "image_b")


def test_goals_follow_the_cameras_and_a_missing_one_is_black():
    module = images(obs_stack_keys=["image_a"], task_stack_keys=["image_.*"])
    observations, goal = {"image_a": PIXELS, "image_c": PIXELS}, PIXELS[:, 0]
    black, variables = module.init_with_output(KEY, observations, {"image_b": goal})
    # The camera, and goals of a (missing), b (of no camera here) and c (missing), as the original stacks them.
    assert black.source.goal_inputs == ("image_a", "image_b", "image_c")
    assert channels(variables) == 12
    zeros = np.zeros_like(goal)
    given = module.apply(variables, observations, {"image_a": zeros, "image_b": goal, "image_c": zeros})
    np.testing.assert_array_equal(given.tokens, black.tokens)


def test_film_keys_are_exact_and_repeated_over_the_window():
    module = images(obs_stack_keys=["image_a"], task_film_keys=["mood", "language_instruction"])
    tasks = {"mood": jnp.ones((1, 2)), "language_instruction": jnp.ones((1, 3)), "mood2": jnp.ones((1, 9))}
    group, variables = module.init_with_output(KEY, {"image_a": PIXELS}, tasks)
    assert variables["params"]["PatchEncoder_0"]["FilmConditioning_0"]["Dense_0"]["kernel"].shape == (5, 8)
    assert group.tokens.shape == (1, 2, 4, 8)


def test_film_of_a_resnet_without_stages_follows_its_pool():
    resnet = encoder("ViTResnet", use_film=True, width=0.5)
    spec = tokenizer("ImageTokenizer", encoder=resnet, obs_stack_keys=["image_a"], task_film_keys=["mood"])
    module = build(spec, lambda name: TEXT_ENCODER)()
    tasks = {"mood": jnp.ones((1, 2))}
    variables = jax.eval_shape(module.init, KEY, {"image_a": jnp.zeros((1, 1, 8, 8, 3))}, tasks)
    assert variables["params"]["ViTResnet_0"]["FilmConditioning_0"]["Dense_1"]["kernel"].shape == (2, 32)


def test_learned_tokens_equal_those_computed_by_hand():
    module = images(obs_stack_keys=["image_a"], use_token_learner=True, num_tokens=3)
    observations = {"image_a": PIXELS}
    group, variables = module.init_with_output(KEY, observations, {})
    params = jax.tree.map(np.asarray, variables["params"])
    learner = params["TokenLearner_0"]
    assert learner["pos_embed"].shape == (4, 8)
    pixels = (PIXELS.reshape(1, 2, 4, 3).astype(np.float32) / 127.5 - 1) @ params["PatchEncoder_0"]["embedding"][
        "kernel"
    ][0, 0]

    def norm(x):
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)

    x = norm(pixels + learner["pos_embed"])
    pool = learner["MAPHead_0"]
    attention = pool["MultiHeadDotProductAttention_0"]
    query = np.einsum("rd,dhc->rhc", pool["probe"][0], attention["query"]["kernel"])
    key, value = (np.einsum("bwtd,dhc->bwthc", x, attention[name]["kernel"]) for name in ("key", "value"))
    weights = np.asarray(jax.nn.softmax(np.einsum("rhc,bwthc->bwhrt", query, key), axis=-1))
    out = np.einsum("bwhrt,bwthc,hcd->bwrd", weights, value, attention["out"]["kernel"])
    mlp = pool["MlpBlock_0"]
    hidden = jax.nn.gelu(norm(out) @ mlp["Dense_0"]["kernel"] + mlp["Dense_0"]["bias"], approximate=True)
    out = out + np.asarray(hidden) @ mlp["Dense_1"]["kernel"] + mlp["Dense_1"]["bias"]
    assert group.tokens.shape == (1, 2, 3, 8)
    np.testing.assert_allclose(group.tokens, out, atol=1e-4)


@pytest.mark.parametrize(
    ("told", "mask"),
    [
        (None, [[True, True]]),
        ({"image_a": [[False, True]]}, [[True, True]]),
        ({"image_a": [[False, True]], "image_b": [[False, False]]}, [[False, True]]),
    ],
)
def test_a_stack_is_padding_when_all_its_cameras_are_and_all_are_told(told, mask):
    observations = {"image_a": PIXELS, "image_b": PIXELS}
    if told is not None:
        observations["pad_mask_dict"] = {key: jnp.array(value) for key, value in told.items()}
    module = images(obs_stack_keys=["image_.*"])
    group = module.init_with_output(KEY, observations, {})[0]
    np.testing.assert_array_equal(group.mask.astype(bool)[..., 0], mask)
    blind = images(obs_stack_keys=["image_.*"], proper_pad_mask=False).init_with_output(KEY, observations, {})[0]
    assert np.asarray(blind.mask).all()


@pytest.mark.parametrize(
    "spec",
    [
        tokenizer("ImageTokenizer", encoder=encoder("SmallStem16"), obs_stack_keys=["image_a"], proper_pad_mask=False),
        tokenizer("LowdimObsTokenizer", obs_keys=["force"], proper_pad_mask=False),
        tokenizer("LanguageTokenizer", proper_pad_mask=False),
    ],
    ids=lambda spec: spec["name"],
)
def test_only_a_tokenizer_with_pad_masks_may_be_left_out(spec):
    module = build(spec, lambda name: TEXT_ENCODER)()
    with pytest.raises(ObservationError, match="`proper_pad_mask` false"):
        module.init(KEY, {"proprio": jnp.ones((1, 2, 3))}, {})


def test_normal_bins_are_equally_likely_and_the_outside_falls_into_the_first():
    bins = tokenizer("LowdimObsTokenizer", obs_keys=["force"], discretize=True, bin_type="normal", n_bins=4)
    module = build(bins, lambda name: TEXT_ENCODER)()
    edge = scipy.stats.norm.ppf(0.75)
    force = jnp.array([[[-9.0, -edge - 0.01, -0.01, 0.01, edge + 0.01, 9.0]]])
    group = module.apply({}, {"force": force}, {})
    assert group.tokens.shape == (1, 1, 6, 4)
    assert jnp.argmax(group.tokens, -1).tolist() == [[[0, 0, 1, 2, 3, 0]]]


def test_uniform_bins_take_the_outside_into_the_outermost_and_masks_stay_ones():
    bins = tokenizer("LowdimObsTokenizer", obs_keys=["force"], discretize=True, n_bins=4, low=-1, high=1)
    module = build(bins, lambda name: TEXT_ENCODER)()
    observations = {"force": jnp.array([[[-5.0, -0.6, 0.0, 5.0]]]), "pad_mask_dict": {"force": jnp.array([[False]])}}
    group = module.apply({}, observations, {})
    assert jnp.argmax(group.tokens, -1).tolist() == [[[0, 0, 2, 3]]]
    assert group.mask.tolist() == [[[1.0] * 4]]


def test_inputs_of_another_size_than_the_parameters_are_refused_by_name():
    numbers = build(tokenizer("LowdimObsTokenizer", obs_keys=["force"]), lambda name: TEXT_ENCODER)()
    module = OctoTransformer(
        observation_tokenizers={"force": numbers},
        task_tokenizers={},
        readouts={"action": 1},
        num_layers=1,
        mlp_dim=8,
        num_heads=1,
        token_embedding_size=8,
        max_horizon=2,
        repeat_task_tokens=False,
        use_correct_attention=True,
    )
    real = jnp.ones((1, 1), bool)
    variables = module.init(KEY, {"force": jnp.ones((1, 1, 2))}, {}, real)
    with pytest.raises(
        ObservationError, match="force make 3 tokens 'obs_force' of 1 entries, but this policy has 2 of 1"
    ):
        module.apply(variables, {"force": jnp.ones((1, 1, 3))}, {}, real)


def test_a_token_group_is_what_every_tokenizer_gives():
    group = images(obs_stack_keys=["image_a"]).init_with_output(KEY, {"image_a": PIXELS}, {})[0]
    assert isinstance(group, TokenGroup)
    assert group.source.grid == (2, 2)
