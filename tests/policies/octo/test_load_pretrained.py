"""Loading: what a good checkpoint gives, and a clear sentence for every bad one."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from flax import serialization

from octoscope.embedded.files import policy_directory
from octoscope.errors import CheckpointError, ConfigError, ObservationError, SelectionError
from octoscope.policies.octo.checkpoint.config import apply_shims
from octoscope.policies.octo.model import OctoModel
from official_files import OFFICIAL

# Loading is what is tested here: every policy comes from its files.
pytestmark = pytest.mark.usefixtures("loads_anew")


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "policy"
    shutil.copytree(policy_directory("drawn"), folder)
    return folder


def edit_config(folder, change):
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


def test_saved_policy_loads_again_bit_by_bit(tmp_path, demo_model):
    demo_model.save_pretrained(tmp_path / "again", step=7)
    again = OctoModel.load_pretrained(tmp_path / "again")
    assert again.checkpoint.step == 7
    before = serialization.msgpack_serialize(dict(demo_model.params))
    assert serialization.msgpack_serialize(dict(again.params)) == before


def test_spec_names_inputs_and_heads(demo_model):
    spec = demo_model.get_pretty_spec()
    assert "image_primary: (128, 128, 3) uint8" in spec
    assert "action: DiffusionActionHead, horizon 4, dimensions 7" in spec


def test_no_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match="There is no checkpoint at"):
        OctoModel.load_pretrained(tmp_path / "nowhere")


def test_a_folder_that_is_no_checkpoint_says_what_it_holds(tmp_path):
    (tmp_path / "holiday.png").touch()
    with pytest.raises(CheckpointError, match=r"no config.json, it holds: holiday\.png"):
        OctoModel.load_pretrained(tmp_path)


def test_config_that_is_no_json(checkpoint):
    (checkpoint / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="no readable JSON"):
        OctoModel.load_pretrained(checkpoint)


def test_no_step_folder(checkpoint):
    shutil.rmtree(checkpoint / "0")
    with pytest.raises(CheckpointError, match="no parameters: no folder named by a training step"):
        OctoModel.load_pretrained(checkpoint)


def test_a_step_that_is_not_there(checkpoint):
    with pytest.raises(CheckpointError, match=r"no parameters of step 5; it has steps \[0\]"):
        OctoModel.load_pretrained(checkpoint, step=5)


@pytest.mark.parametrize("kept", [0, 1, 1000, 800_000])
def test_truncated_parameter_file(checkpoint, kept):
    file = checkpoint / "0" / "default" / "checkpoint"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"is empty|truncated|not a tree"):
        OctoModel.load_pretrained(checkpoint)


def test_parameters_that_do_not_fit_are_named(checkpoint):
    file = checkpoint / "0" / "default" / "checkpoint"
    params = serialization.msgpack_restore(file.read_bytes())
    transformer = params["octo_transformer"]
    del transformer["obs_wrist_pos_embedding"]
    transformer["surprise"] = np.zeros(3)
    transformer["readout_action_pos_embedding"] = np.zeros((1, 2, 3, 4))
    file.write_bytes(serialization.msgpack_serialize(params))
    with pytest.raises(CheckpointError) as error:
        OctoModel.load_pretrained(checkpoint)
    message = str(error.value)
    assert "1 missing:\n  octo_transformer/obs_wrist_pos_embedding (1, 10, 16, 64)" in message
    assert "1 not in the policy:\n  octo_transformer/surprise (3,)" in message
    assert "readout_action_pos_embedding: config says (1, 10, 1, 64), file has (1, 2, 3, 4)" in message


def test_unknown_module_offers_the_nearest(checkpoint):
    def misspell(config):
        config["model"]["observation_tokenizers"]["primary"]["kwargs"]["encoder"]["name"] = "SmallStem17"

    edit_config(checkpoint, misspell)
    with pytest.raises(
        ConfigError, match=r"SmallStem17', which octoscope does not know\. Did you mean '.*SmallStem16'"
    ):
        OctoModel.load_pretrained(checkpoint)


def test_unknown_argument_offers_the_nearest(checkpoint):
    def misspell(config):
        config["model"]["heads"]["action"]["kwargs"]["hiden_dim"] = 3

    edit_config(checkpoint, misspell)
    with pytest.raises(ConfigError, match=r"'hiden_dim', which it does not take\. Did you mean 'hidden_dim'"):
        OctoModel.load_pretrained(checkpoint)


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config["model"].update(heads=[]),
        lambda config: config["model"].update(readouts={}),
        lambda config: config["model"]["transformer_kwargs"].update(num_attention_heads=5),
        lambda config: config["model"]["heads"]["action"]["kwargs"].pop("readout_key"),
        lambda config: config["text_processor"].pop("kwargs"),
        lambda config: config.update(text_processor="t5-base"),
    ],
    ids=["heads a list", "no readout", "5 heads in 64", "no readout key", "no text kwargs", "text a string"],
)
def test_config_that_describes_no_policy(checkpoint, change):
    edit_config(checkpoint, change)
    with pytest.raises(ConfigError):
        OctoModel.load_pretrained(checkpoint)


def test_example_batch_without_observations(checkpoint):
    (checkpoint / "example_batch.msgpack").write_bytes(serialization.msgpack_serialize({"task": {}}))
    with pytest.raises(CheckpointError, match="must hold `observation` and `task`"):
        OctoModel.load_pretrained(checkpoint)


def test_missing_model_entry():
    with pytest.raises(ConfigError, match="lacks 'observation_tokenizers'"):
        apply_shims({"model": {}})
    with pytest.raises(ConfigError, match="must hold an object `model`"):
        apply_shims({"learning_rate": 1})


def test_old_names_are_brought_to_todays():
    config = json.loads((OFFICIAL / "ckpt" / "config.json").read_text())
    del config["model"]["use_correct_attention"], config["model"]["repeat_task_tokens"]
    kwargs = config["model"]["heads"]["action"]["kwargs"]
    kwargs["pred_horizon"] = kwargs.pop("action_horizon")
    model = apply_shims(config)["model"]
    assert model["use_correct_attention"] is False
    assert model["repeat_task_tokens"] is False
    assert model["heads"]["action"]["kwargs"]["action_horizon"] == 4


def test_missing_vocabulary_says_which_file_to_put_where(tmp_path, checkpoint):
    shutil.rmtree(checkpoint / "demo-words")

    def rename(config):
        config["model"]["task_tokenizers"]["language"]["kwargs"]["encoder"] = "t5-small"
        config["text_processor"]["kwargs"]["tokenizer_name"] = "absent/words"

    edit_config(checkpoint, rename)
    done = load_in_new_process(checkpoint, tmp_path)
    assert "tokenizer.json is not part of a checkpoint" in done.stderr
    assert f"Put it at {checkpoint / 'absent/words' / 'tokenizer.json'}" in done.stderr


def test_hub_checkpoint_loads_from_the_local_cache(tmp_path):
    repository = tmp_path / "cache" / "models--somebody--tiny-octo"
    snapshot = repository / "snapshots" / "0123456789abcdef0123456789abcdef01234567"
    shutil.copytree(policy_directory("drawn"), snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(snapshot.name)
    done = load_in_new_process("hf://somebody/tiny-octo", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("tiny-octo: window 2")


def test_hub_checkpoint_that_is_not_there(tmp_path):
    done = load_in_new_process("hf://somebody/nothing", tmp_path)
    assert "'hf://somebody/nothing' could not be fetched" in done.stderr


def test_hub_name_of_another_form():
    with pytest.raises(CheckpointError, match="is named 'hf://owner/name'"):
        OctoModel.load_pretrained("hf://octo-small")


def load_in_new_process(checkpoint, tmp_path):
    # The hub's client reads its settings once, when it is imported.
    code = f"import octoscope; print(octoscope.OctoModel.load_pretrained({str(checkpoint)!r}).get_pretty_spec())"
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path / "cache")}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)


def test_image_of_another_shape_is_named(demo_model):
    batch = demo_model.example_batch
    wrong = {**batch["observation"], "image_primary": np.zeros((1, 2, 64, 64, 3), np.uint8)}
    with pytest.raises(ObservationError, match=r"'image_primary' must have shape \(batch, window, 128, 128, 3\), got"):
        demo_model.run_transformer(wrong, batch["task"])


def test_window_beyond_the_positions_is_refused(demo_model):
    observation = {
        "image_primary": np.zeros((1, 11, 128, 128, 3), np.uint8),
        "timestep_pad_mask": np.ones((1, 11), bool),
    }
    with pytest.raises(ObservationError, match="at most 10"):
        demo_model.run_transformer(observation, demo_model.create_tasks(texts=["pick up the ball"]))


def test_tasks_need_words_or_goals(demo_model):
    with pytest.raises(ObservationError, match="`texts`, `goals`, or both"):
        demo_model.create_tasks()
    with pytest.raises(ObservationError, match="one entry per example"):
        demo_model.create_tasks(texts=["a", "b"], goals={"image_primary": np.zeros((1, 128, 128, 3), np.uint8)})


def test_tasks_say_what_is_present(demo_model):
    goal = {"image_primary": np.zeros((1, 128, 128, 3), np.uint8)}
    words = demo_model.create_tasks(texts=["pick up the red ball"])["pad_mask_dict"]
    assert words["language_instruction"].all()
    assert not words["image_primary"].any()
    goals = demo_model.create_tasks(goals=goal)["pad_mask_dict"]
    assert goals["image_primary"].all()
    assert not goals["language_instruction"].any()


def test_unknown_head_and_dataset_offer_the_nearest(demo_model):
    batch = demo_model.example_batch
    with pytest.raises(SelectionError, match=r"no head 'acton'.*Did you mean 'action'"):
        demo_model.act(batch["observation"], batch["task"], head="acton")
    with pytest.raises(SelectionError, match="Did you mean 'drawn_table'"):
        demo_model.action_statistics("drawn_tabel")


def test_a_diffusion_head_needs_a_key(demo_model):
    batch = demo_model.example_batch
    with pytest.raises(ValueError, match="`rng` must be given to a diffusion head"):
        demo_model.sample_actions(batch["observation"], batch["task"])
