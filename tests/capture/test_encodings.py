"""Encodings at named points of a forward: against the official program, by their sums, and without a trace in the action."""

import functools

import jax
import numpy as np
import pytest

import octoscope as osc
from octoscope.errors import ObservationError, SelectionError
from octoscope.policies.octo.recording import encodings
from octoscope.policies.octo.recording.encodings import capture_encodings, compiled_forward, encoding_points
from official_files import OFFICIAL, SHARED, nested
from tiny_policies import head, images, numbers, tiny_episode, tiny_policy

FIXTURES = [
    OFFICIAL,
    *(SHARED / "fixtures" / "octo" / name for name in ("a_lang_primary_diffusion", "b_v10_goal_language")),
    SHARED / "fixtures" / "octo" / "e_film_smallstem16",
]
FIXTURES = [pytest.param(folder, id=folder.name) for folder in FIXTURES if (folder / "io.npz").is_file()]


@functools.cache
def official(folder):
    """The first example of the fixture's first case: policy, observation, task, what the official program gave, encodings."""
    with np.load(folder / "io.npz") as file:
        arrays = {key: file[key] for key in file.files}
    case = sorted({key.split("/")[0] for key in arrays if key.startswith("case")})[0]
    inputs = jax.tree.map(lambda array: array[:1], nested(arrays, f"{case}/in/"))
    observation = inputs["observations"] | {"timestep_pad_mask": inputs["timestep_pad_mask"]}
    model = osc.OctoModel.load_pretrained(folder / "ckpt")
    return (
        model,
        observation,
        inputs["tasks"],
        arrays,
        case,
        capture_encodings(model, observation, inputs["tasks"], "*"),
    )


@pytest.mark.parametrize("folder", FIXTURES)
def test_what_leaves_the_blocks_is_the_official_output(folder):
    model, observation, task, arrays, case, found = official(folder)
    layout = model.token_layout(observation, task)
    groups = {name: group for name, group in nested(arrays, f"{case}/out/").items() if name in layout.groups}
    assert groups
    for name, group in groups.items():
        got = found["blocks.final"][layout.select(name)]
        np.testing.assert_allclose(got, group["tokens"][0].reshape(got.shape), atol=1e-4)


@pytest.mark.parametrize("folder", FIXTURES)
def test_t5_and_stems_are_the_official_ones(folder):
    *_, arrays, case, found = official(folder)
    checked = 0
    for key, expected in arrays.items():
        _, _, rest = key.partition(f"{case}/tokenizer/")
        kind, _, name = rest.partition("_tokenizers_")
        owner, _, part = name.partition("/")
        if part == "tokens":
            got = found[f"tokens.{'obs' if kind == 'observation' else 'task'}_{owner}.tokenizer"]
            np.testing.assert_allclose(got, expected[0], atol=1e-4)
            if kind == "task":
                np.testing.assert_array_equal(got, found[f"tokens.task_{owner}.t5.final"])
            checked += 1
        elif part.startswith("SmallStem"):
            got = found[f"stem.{owner}.output"]
            np.testing.assert_allclose(got, expected[: len(got)], atol=1e-4)
            checked += 1
    assert checked or folder == OFFICIAL


@pytest.mark.parametrize("folder", FIXTURES[:1])
def test_t5_begins_with_its_table_and_ends_with_its_norm(folder):
    model, _, task, _, _, found = official(folder)
    held = model.params["octo_transformer"]["task_tokenizers_language"]["hf_model"]
    pieces = task["language_instruction"]["input_ids"][0]
    name = "tokens.task_language.t5."
    np.testing.assert_array_equal(found[name + "embedding"], np.asarray(held["shared"]["embedding"])[pieces])
    layers = sorted(int(point.removeprefix(name)) for point in found if point.removeprefix(name).isdigit())
    assert layers == list(range(len(held["encoder"]["block"])))
    last = found[f"{name}{layers[-1]}"]
    normed = last / np.sqrt(np.square(last).mean(axis=-1, keepdims=True) + 1e-6)
    weight = np.asarray(held["encoder"]["final_layer_norm"]["weight"])
    np.testing.assert_allclose(found[name + "final"], weight * normed, atol=1e-5)


@pytest.mark.parametrize("folder", FIXTURES)
def test_points_have_the_shapes_that_were_foretold(folder):
    model, observation, task, _, _, found = official(folder)
    points = encoding_points(model, observation, task)
    assert {point.name: point.shape for point in points} == {name: array.shape for name, array in found.items()}
    lengths: dict[str, int] = {}
    for point in points:
        assert len(point.axes) == len(point.shape)
        for name, length in zip(point.dimensions, point.shape, strict=True):
            assert lengths.setdefault(name, length) == length, f"two lengths of {name}"


def inputs(model):
    return model.example_batch["observation"], model.example_batch["task"]


def test_attention_and_mlp_add_up_to_the_stream(demo_model):
    found = capture_encodings(demo_model, *inputs(demo_model), "blocks.*")
    stream = found["blocks.input"]
    for layer in range(demo_model.num_layers):
        stream = stream + found[f"blocks.{layer}.attention"] + found[f"blocks.{layer}.mlp"]
        np.testing.assert_allclose(found[f"blocks.{layer}.residual"], stream, atol=1e-5)


def test_tokens_are_projected_then_placed_and_repeated(demo_model):
    found = capture_encodings(demo_model, *inputs(demo_model), "tokens.*")
    params = demo_model.params["octo_transformer"]
    for group in ("task_language", "obs_primary", "obs_wrist"):
        position = np.asarray(params[f"{group}_pos_embedding"][0])
        given = found[f"tokens.{group}.projection"]
        position = position if group.startswith("task") else position[: len(given)]
        np.testing.assert_allclose(found[f"tokens.{group}.embedding"], given + position, atol=1e-6)
    for timestep in found["tokens.obs_task_language.embedding"]:
        np.testing.assert_array_equal(timestep, found["tokens.task_language.embedding"])


def test_the_input_of_a_convolution_is_the_relu_before_it(demo_model):
    found = capture_encodings(demo_model, *inputs(demo_model), "stem.primary.*")
    np.testing.assert_allclose(
        found["stem.primary.StdConv_1.input"], np.maximum(found["stem.primary.GroupNorm_0"], 0), atol=1e-6
    )
    assert "stem.primary.GroupNorm_0.input" not in found
    observation, _ = inputs(demo_model)
    seen = found["stem.primary.StdConv_0.input"][..., :3]
    np.testing.assert_allclose(seen, observation["image_primary"][0] / 127.5 - 1, atol=1e-6)


def test_film_scales_and_shifts_what_it_says(tmp_path):
    model = tiny_policy(
        tmp_path, {"primary": images("image_primary", film=["language_instruction"])}, language=False, encodings=5
    )
    observation, task = inputs(model)
    task = task | {"language_instruction": np.ones((1, 5), np.float32)}
    film = capture_encodings(model, observation, task, "film.*")
    scale, shift = film["film.primary.0.scale"], film["film.primary.0.shift"]
    assert scale.shape == (8,)
    assert np.abs(scale).max() > 0.1
    np.testing.assert_allclose(
        film["film.primary.0.after"], film["film.primary.0.before"] * (1 + scale) + shift, atol=1e-5
    )


def test_a_camera_that_is_missing_has_no_points(tmp_path):
    model = tiny_policy(
        tmp_path,
        {name: images(f"image_{name}") for name in ("primary", "wrist")},
        cameras={"primary": (32, 32), "wrist": (32, 32)},
    )
    observation, task = inputs(model)
    observation = {key: value for key, value in observation.items() if key != "image_wrist"}
    points = {point.name: point for point in encoding_points(model, observation, task)}
    assert "tokens.obs_primary.tokenizer" in points
    assert not [name for name in points if "wrist" in name]
    run = osc.attend(model, tiny_episode(), steps=[0], options=osc.WatchOptions(dtype="float32", encodings="*"))
    assert run.encoding("blocks.0.residual", step=0).shape == (run.layout.size, 16)
    assert {point.name for point in run.encoding_points} == set(points)


@pytest.mark.parametrize(
    "folder",
    [
        pytest.param(folder, id=folder.name)
        for folder in (SHARED / "fixtures" / "octo").glob("[bc]_*")
        if (SHARED / "data" / "bridge_dataset").is_dir()
    ],
)
def test_official_policies_whose_wrist_camera_was_not_recorded(folder):
    model = osc.OctoModel.load_pretrained(folder / "ckpt")
    episode = osc.open_episodes(SHARED / "data" / "bridge_dataset")[0]
    run = osc.attend(
        model, episode, steps=[0], options=osc.WatchOptions(encodings=("blocks.0.residual", "tokens.obs_*.tokenizer"))
    )
    assert run.encoding("blocks.0.residual", step=0).shape[0] == run.layout.size
    assert "tokens.obs_wrist.tokenizer" not in {point.name for point in run.encoding_points}


def test_resnets_learned_tokens_and_numbers_have_points(tmp_path):
    pooled = images("image_primary", use_token_learner=True, num_tokens=2)
    pooled["kwargs"]["encoder"] |= {"name": "ViTResnet", "kwargs": {"width": 0.5, "num_layers": [1]}}
    model = tiny_policy(
        tmp_path, {"primary": pooled, "proprio": numbers("proprio")}, lowdim={"proprio": 3}, heads={"action": head()}
    )
    points = {point.name: point for point in encoding_points(model, *inputs(model))}
    assert points["stem.primary.block1.unit1.conv2"].axes == ("window", "row", "column", "channel")
    assert points["stem.primary.output"].shape == (2, 8, 8, 128)
    assert points["tokens.obs_primary.tokenizer"].shape == (2, 2, 128)
    assert points["tokens.obs_proprio.tokenizer"].shape == (2, 3, 1)
    assert not any("TokenLearner" in name for name in points)


def test_only_what_is_asked_leaves_the_device(demo_model):
    observation, task = inputs(demo_model)
    points = {point.name: point for point in encoding_points(demo_model, observation, task)}
    pad = demo_model.check_inputs(observation, task)
    work = {}
    for name in ("blocks.0.residual", "blocks.2.residual"):
        compiled = compiled_forward(demo_model, (name,)).lower(demo_model.params, observation, task, pad).compile()
        assert compiled.memory_analysis().output_size_in_bytes <= points[name].nbytes("float32") + 64
        work[name] = compiled.cost_analysis()["flops"]
    # Blocks after the last point that was asked for are not computed.
    assert work["blocks.0.residual"] < work["blocks.2.residual"]


def test_unknown_points_offer_the_nearest(demo_model):
    with pytest.raises(
        SelectionError, match=r"no encodings 'blocks\.\*\.residul'\. Did you mean 'blocks\.\*\.residual'"
    ):
        capture_encodings(demo_model, *inputs(demo_model), "blocks.*.residul")
    with pytest.raises(SelectionError, match=r"Did you mean 'blocks\.1\.attention'"):
        capture_encodings(demo_model, *inputs(demo_model), ("blocks.0.mlp", "blocks.1.attn"))
    with pytest.raises(SelectionError, match="at least one point"):
        capture_encodings(demo_model, *inputs(demo_model), ())


def test_one_example_at_a_time(demo_model):
    observation, task = (
        jax.tree.map(lambda array: np.concatenate([array, array]), part) for part in inputs(demo_model)
    )
    with pytest.raises(ObservationError, match="one example at a time, got a batch of 2"):
        capture_encodings(demo_model, observation, task)


def test_points_are_followed_once_for_inputs_of_the_same_shapes(demo_model, monkeypatch):
    observation, task = inputs(demo_model)
    points = encoding_points(demo_model, observation, task)
    traced = []
    forward = encodings._forward
    monkeypatch.setattr(encodings, "_forward", lambda *given: traced.append(given) or forward(*given))
    other = {**observation, "image_primary": observation["image_primary"] + 1}
    assert encoding_points(demo_model, other, task) == points
    assert traced == []
    shorter = jax.tree.map(lambda array: array[:, :1], dict(observation))
    assert {point.name: point.shape for point in encoding_points(demo_model, shorter, task)} != {
        point.name: point.shape for point in points
    }
    assert len(traced) == 1
