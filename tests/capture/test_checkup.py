"""The checkup: says what a checkpoint is, finds what is wrong with it, and gets as far as it can with a broken one."""

import json
import shutil

import numpy as np
import pytest
from flax import serialization, traverse_util

import octoscope as osc
from factory.demo.film_policy import write_film_policy
from octoscope.embedded.files import policy_directory
from octoscope.policies.octo.checkup import examine_checkpoint
from official_files import OFFICIAL, SHARED

OLD = SHARED / "fixtures" / "octo" / "b_v10_goal_language" / "ckpt"


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "policy"
    shutil.copytree(policy_directory("drawn"), folder)
    return folder


@pytest.fixture(autouse=True)
def no_hub(monkeypatch):
    def unreachable(*_, **__):
        raise OSError("no connection")

    monkeypatch.setattr("octoscope.checkpoints.text_file.hf_hub_download", unreachable)


def edit_config(folder, change):
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


def edit_params(folder, change):
    path = folder / "0" / "default" / "checkpoint"
    flat = traverse_util.flatten_dict(serialization.msgpack_restore(path.read_bytes()), sep="/")
    flat = change({key: np.array(leaf) for key, leaf in flat.items()})
    path.write_bytes(serialization.msgpack_serialize(traverse_util.unflatten_dict(flat, sep="/")))


def test_a_good_checkpoint(demo_model):
    checkup = examine_checkpoint("drawn")
    assert checkup.ok
    assert checkup.facts["window"] == demo_model.window
    assert checkup.facts["parameters"] == 437_868
    assert checkup.facts["dtype"] == ["float32"]
    assert checkup.facts["datasets"] == {"drawn_table": 7}
    assert checkup.facts["text processor"] == "HFTokenizer, demo-words"
    assert "SmallStem16 over image_wrist" in checkup.facts["observation tokenizers"]["wrist"]
    assert json.loads(json.dumps(checkup.to_json()))["ok"] is True


def test_the_bytes_of_a_step_are_those_a_run_keeps(demo_model, demo_episode):
    run = osc.attend(demo_model, demo_episode, steps=[0], options=osc.WatchOptions(dtype="float16"))
    groups = run.query_groups
    captured = examine_checkpoint("drawn").captured
    assert tuple(captured["query rows"]) == groups
    layout = run.layout
    rows = sum(len(layout.select(group, timestep=-1)) for group in groups)
    assert captured["bytes per step"] == rows * layout.size * demo_model.num_layers * demo_model.num_heads * 2


@pytest.mark.parametrize("folder", [OFFICIAL / "ckpt", *sorted((SHARED / "fixtures" / "octo").glob("[a-f]*/ckpt"))])
def test_official_checkpoints_are_fine(folder):
    checkup = examine_checkpoint(folder)
    assert checkup.problems == ()
    assert checkup.captured["keys"] > 0


def test_old_names_are_told():
    if not OLD.is_dir():
        pytest.skip("needs the official program's checkpoint in the form of December 2023")
    notes = "\n".join(examine_checkpoint(OLD).notes)
    assert "'pred_horizon' is read as 'action_horizon'" in notes
    assert "'use_correct_attention' is not stated, taken as False" in notes
    assert "'timestep_pad_mask' is not stated, taken as that of 'pad_mask'" in notes
    assert "'tasks' is read as 'task'" in notes


def remove(name):
    return lambda folder: (shutil.rmtree if (folder / name).is_dir() else type(folder).unlink)(folder / name)


def write(name, content):
    return lambda folder: (folder / name).write_bytes(content)


BROKEN = {
    "no config": (remove("config.json"), "has no config.json"),
    "config no JSON": (write("config.json", b"{"), "no readable JSON"),
    "config a list": (write("config.json", b"[]"), "must hold an object `model`"),
    "empty model": (write("config.json", b'{"model": {}}'), "lacks 'observation_tokenizers'"),
    "no batch": (remove("example_batch.msgpack"), "example_batch.msgpack, which is missing"),
    "batch cut": (write("example_batch.msgpack", b"\x82\xa1a"), "cannot be read as a Flax msgpack file"),
    "batch of numbers": (
        write("example_batch.msgpack", serialization.msgpack_serialize({"observation": {"a": 1}, "task": {}})),
        "timestep_pad_mask",
    ),
    "no statistics": (remove("dataset_statistics.json"), "dataset_statistics.json, which is missing"),
    "statistics a list": (write("dataset_statistics.json", b"[1]"), "must hold statistics by dataset"),
    "statistics without std": (
        write("dataset_statistics.json", b'{"bridge": {"action": {"mean": [1]}}}'),
        "they lack `std`, which 'normal' needs, and hold mean",
    ),
    "statistics too long": (
        write("dataset_statistics.json", json.dumps({"b": {"action": {"mean": [0] * 9, "std": [1] * 9}}}).encode()),
        "are for 9 action dimensions, the head gives 7",
    ),
    "no step": (remove("0"), "no parameters"),
    "empty step": (remove("0/default"), "Its save may have been broken off"),
    "params cut": (write("0/default/checkpoint", b"\x81\xa1a"), "cannot be read as a Flax parameter file"),
    "params a pointer": (write("0/default/checkpoint", b"version https://git-lfs.github.com"), "git lfs pull"),
    "no vocabulary": (remove("demo-words"), "demo-words/tokenizer.json"),
    "vocabulary broken": (write("demo-words/tokenizer.json", b"{"), "no readable tokenizer.json"),
}


@pytest.mark.parametrize(("damage", "sentence"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_wrong_is_found(checkpoint, damage, sentence):
    damage(checkpoint)
    checkup = examine_checkpoint(checkpoint)
    assert not checkup.ok
    assert sentence in "\n".join(checkup.problems)
    assert not any("Not foreseen" in problem for problem in checkup.problems)


def test_a_broken_file_does_not_hide_the_others(checkpoint):
    (checkpoint / "example_batch.msgpack").unlink()
    shutil.rmtree(checkpoint / "demo-words")
    edit_params(
        checkpoint,
        lambda flat: {**flat, "heads_action/diffusion_model/time_preprocess/kernel": np.full((16, 1), np.nan)},
    )
    checkup = examine_checkpoint(checkpoint)
    assert len(checkup.problems) >= 3
    assert "Parameters are not finite: heads_action/diffusion_model/time_preprocess/kernel (16 of 16)" in "\n".join(
        checkup.problems
    )
    assert checkup.facts["layers"] == 3
    assert checkup.facts["parameters"] == 437_868


def test_parameters_that_do_not_fit(checkpoint):
    edit_config(checkpoint, lambda config: config["model"]["transformer_kwargs"].update(mlp_dim=256))
    checkup = examine_checkpoint(checkpoint)
    assert "MlpBlock_*/Dense_*/kernel: config says (64, 256), file has (64, 128), 3 times" in checkup.problems[0]
    # The layout does not need the weights.
    assert checkup.captured["keys"] == 198


def test_half_precision_is_told_and_loads(checkpoint, demo_model):
    edit_params(checkpoint, lambda flat: {key: leaf.astype(np.float16) for key, leaf in flat.items()})
    checkup = examine_checkpoint(checkpoint)
    assert checkup.ok
    assert checkup.facts["dtype"] == ["float16"]
    assert "weights stored as float16 are brought to float32 when loaded" in checkup.notes
    model = osc.OctoModel.load_pretrained(checkpoint)
    leaf = model.params["octo_transformer"]["obs_primary_pos_embedding"]
    assert leaf.dtype == np.float32
    original = np.asarray(demo_model.params["octo_transformer"]["obs_primary_pos_embedding"])
    assert np.array_equal(leaf, original.astype(np.float16).astype(np.float32))


def test_steps_leftovers_and_a_nameless_dataset(checkpoint):
    shutil.copytree(checkpoint / "0", checkpoint / "12")
    (checkpoint / "13.orbax-checkpoint-tmp-1").mkdir()
    statistics = json.loads((checkpoint / "dataset_statistics.json").read_text())
    (checkpoint / "dataset_statistics.json").write_text(json.dumps(statistics["drawn_table"]))
    edit_config(checkpoint, lambda config: config.update(wandb={}, seed=1))
    checkup = examine_checkpoint(checkpoint)
    assert checkup.ok
    notes = "\n".join(checkup.notes)
    assert "parameters of 2 steps (0, 12); step 12 is taken" in notes
    assert "13.orbax-checkpoint-tmp-1" in notes
    assert "no dataset level" in notes
    assert "not read: wandb, seed" in notes
    assert examine_checkpoint(checkpoint, step=0).facts["step"] == 0
    assert "no parameters of step 5" in examine_checkpoint(checkpoint, step=5).problems[0]


def test_words_of_another_number(checkpoint):
    edit_config(checkpoint, lambda config: config["text_processor"]["kwargs"]["tokenizer_kwargs"].update(max_length=9))
    assert "gives 9 word pieces, the example batch has 12" in "\n".join(examine_checkpoint(checkpoint).problems)


def test_nothing_is_there(tmp_path):
    assert "There is no checkpoint at" in examine_checkpoint(tmp_path / "nowhere").problems[0]
    assert "it holds: nothing" in examine_checkpoint(tmp_path).problems[0]
    (tmp_path / "file").touch()
    assert not examine_checkpoint(tmp_path / "file").ok
    assert "is named 'hf://owner/name'" in examine_checkpoint("hf://nothing").problems[0]


def test_the_tokenizer_of_another_model_is_told(checkpoint):
    file = next(checkpoint.glob("*/tokenizer.json"))
    tokenizer = json.loads(file.read_text())
    words = tokenizer["model"]["vocab"]
    words |= {f"more{number}": len(words) + number for number in range(100)}
    file.write_text(json.dumps(tokenizer))
    problems = examine_checkpoint(checkpoint).problems
    assert any("tokenizer of another model" in problem for problem in problems)


def test_a_table_of_encodings_is_told(tmp_path):
    write_film_policy(tmp_path)
    found = examine_checkpoint(tmp_path)
    assert found.facts["text processor"] == "none: encodings of 8 instructions lie beside the checkpoint"
    assert not found.problems
