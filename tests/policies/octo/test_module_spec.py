"""What a config may name: every module of the original with its arguments and defaults, and a sentence for everything else."""

import dataclasses

import pytest

from octoscope.errors import ConfigError
from octoscope.policies.octo.checkpoint.module_spec import MODULES, build, build_module
from octoscope.policies.octo.checkpoint.spec import spec_arguments
from octoscope.policies.octo.network.lowdim_tokenizer import LowdimObsTokenizer
from small_policies import TEXT_ENCODER, encoder, head, small_config, spec, tokenizer

REQUIRED = object()
STEM = {
    "use_film": False,
    "patch_size": 32,
    "kernel_sizes": (3, 3, 3, 3),
    "strides": (2, 2, 2, 2),
    "features": (32, 96, 192, 384),
    "padding": (1, 1, 1, 1),
    "num_features": 512,
    "img_norm_type": "default",
}
CONTINUOUS = {
    "readout_key": REQUIRED,
    "use_map": False,
    "action_horizon": 1,
    "action_dim": 7,
    "max_action": 5.0,
    "loss_type": "mse",
}
DISCRETE = {
    "readout_key": REQUIRED,
    "use_map": False,
    "token_per": "action_dim_and_action_horizon",
    "action_horizon": 1,
    "action_dim": 7,
    "vocab_size": 256,
    "normalization_type": "uniform",
}
RESNET = {"use_film": False, "width": 1, "num_layers": (), "img_norm_type": "default"}
# The original's arguments in its order, with its defaults.
ORIGINAL = {
    "ImageTokenizer": {
        "encoder": REQUIRED,
        "use_token_learner": False,
        "num_tokens": 8,
        "conditioning_type": "none",
        "obs_stack_keys": ("image_.*", "depth_.*"),
        "task_stack_keys": (),
        "task_film_keys": (),
        "proper_pad_mask": True,
    },
    "LanguageTokenizer": {"encoder_config": None, "finetune_encoder": False, "proper_pad_mask": True},
    "LowdimObsTokenizer": {
        "n_bins": 256,
        "bin_type": "uniform",
        "low": 0,
        "high": 1,
        "obs_keys": (),
        "discretize": False,
        "proper_pad_mask": True,
    },
    "PatchEncoder": {"use_film": False, "patch_size": 32, "num_features": 512, "img_norm_type": "default"},
    "SmallStem": STEM,
    "SmallStem16": {**STEM, "patch_size": 16},
    "SmallStem32": STEM,
    "ViTResnet": RESNET,
    "ResNet26FILM": {**RESNET, "use_film": True, "num_layers": (2, 2, 2, 2)},
    "ContinuousActionHead": CONTINUOUS,
    "MSEActionHead": {**CONTINUOUS, "use_map": True},
    "L1ActionHead": {**CONTINUOUS, "use_map": True, "loss_type": "l1"},
    "DiscreteActionHead": DISCRETE,
    "TokenPerDimActionHead": DISCRETE,
    "DiffusionActionHead": {
        **CONTINUOUS,
        "time_dim": 32,
        "num_blocks": 3,
        "dropout_rate": 0.0,
        "hidden_dim": 256,
        "use_layer_norm": True,
        "diffusion_steps": 20,
        "n_diffusion_samples": 1,
    },
    "UNetDDPMActionHead": {
        "readout_key": REQUIRED,
        "action_dim": REQUIRED,
        "action_horizon": REQUIRED,
        "use_map": (False,),
        "flatten_tokens": (False,),
        "timesteps": 100,
        "max_action": 1.0,
        "clip_sample": None,
        "variance_type": "fixed_large",
    },
}


def no_encoder(name):
    raise AssertionError(name)


def test_every_module_of_the_original_is_known():
    assert {path.rpartition(".")[2] for path in MODULES} == set(ORIGINAL)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.rpartition(".")[2])
def test_arguments_order_and_defaults_are_the_originals(path):
    fields = [field for field in dataclasses.fields(MODULES[path]) if field.name not in ("parent", "name")]
    got = {field.name: REQUIRED if field.default is dataclasses.MISSING else field.default for field in fields}
    expected = ORIGINAL[path.rpartition(".")[2]]
    assert got == expected
    assert list(got) == list(expected)


def test_lists_become_tuples_and_args_fill_names_in_order():
    stem = {**encoder("SmallStem", features=[8, 16]), "args": [False, 16, [3, 3]]}
    module = build(stem, no_encoder)()
    assert (module.patch_size, module.kernel_sizes, module.features) == (16, (3, 3), (8, 16))


def test_a_text_encoder_is_looked_up_by_its_name():
    names = []
    language = build(
        tokenizer("LanguageTokenizer", encoder="t5-base"), lambda name: names.append(name) or TEXT_ENCODER
    )()
    assert (names, language.encoder_config) == (["t5-base"], TEXT_ENCODER)
    assert build(tokenizer("LanguageTokenizer"), no_encoder)().encoder_config is None


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (tokenizer("ImageTokeniser"), r"Did you mean 'octo.model.components.tokenizers.ImageTokenizer'\?"),
        (
            spec("model.components.encoders", "SmallStem16"),
            r"Did you mean 'octo.model.components.vit_encoders.SmallStem16'",
        ),
        (head("UnetDDPMActionHead"), r"Did you mean 'octo.model.components.action_heads.UNetDDPMActionHead'"),
        (tokenizer("BinTokenizer"), "is a part of a LowdimObsTokenizer with `discretize`"),
        (tokenizer("TokenLearner", num_tokens=3), "is a part of an ImageTokenizer with `use_token_learner`"),
        (
            encoder("SmallStem16", num_feature=3),
            r"'num_feature', which it does not take. Did you mean 'num_features'\?",
        ),
        (tokenizer("LanguageTokenizer", encodr="t5"), r"Did you mean 'encoder'\? It takes: encoder, finetune_encoder"),
        (head("UNetDDPMActionHead", action_dim=3), "no 'action_horizon', which it needs"),
        (tokenizer("ImageTokenizer"), "no 'encoder', which it needs"),
        (tokenizer("LowdimObsTokenizer"), "no 'obs_keys', which it needs"),
        (tokenizer("LowdimObsTokenizer", obs_keys=[]), "no `obs_keys`: name the observations"),
        (tokenizer("LowdimObsTokenizer", obs_keys="proprio"), "must be a list of texts"),
        (tokenizer("LowdimObsTokenizer", obs_keys=["pro("]), "no regular expression"),
        (tokenizer("ImageTokenizer", encoder=head("L1ActionHead")), "`encoder` of an ImageTokenizer must be one of"),
        ({**encoder("SmallStem16"), "args": [0] * 9}, "9 `args`, but it takes 8"),
        ({**encoder("SmallStem16", use_film=True), "args": [True]}, "'use_film' twice"),
        ({**encoder("SmallStem16"), "kwargs": [1]}, "`args` must be a list and `kwargs` an object"),
        ({"module": "octo", "name": "x"}, "by exactly `module`, `name`, `args` and `kwargs`"),
        (None, "by exactly `module`, `name`, `args` and `kwargs`, got None"),
    ],
)
def test_what_a_config_names_wrongly_gets_a_sentence(bad, message):
    with pytest.raises(ConfigError, match=message):
        build(bad, no_encoder)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            {"task_tokenizers": {"goal": tokenizer("ImageTokenizer")}},
            "`task_tokenizers` name .*ImageTokenizer' for 'goal'",
        ),
        ({"observation_tokenizers": {"words": tokenizer("LanguageTokenizer")}}, "`observation_tokenizers` name"),
        ({"heads": {"action": encoder("SmallStem16")}}, "`heads` name .*SmallStem16' for 'action', but only these"),
        (
            {"transformer_kwargs": {"num_layers": 1, "mlp_dims": 2, "num_attention_heads": 1}},
            r"hold 'mlp_dims', which octoscope does not know. Did you mean 'mlp_dim'\?",
        ),
        (
            {
                "transformer_kwargs": {
                    "num_layers": 1,
                    "mlp_dim": 2,
                    "num_attention_heads": 1,
                    "add_position_embedding": True,
                }
            },
            "no published Octo uses",
        ),
    ],
)
def test_modules_stand_where_the_original_puts_them(model, message):
    with pytest.raises(ConfigError, match=message):
        build_module(small_config(**model)["model"], no_encoder)


def test_dropout_rates_are_taken_and_without_effect():
    sizes = {
        "num_layers": 1,
        "mlp_dim": 2,
        "num_attention_heads": 1,
        "dropout_rate": 0.1,
        "attention_dropout_rate": 0.1,
    }
    module = build_module(small_config(transformer_kwargs=sizes)["model"], no_encoder)
    assert module.octo_transformer.num_layers == 1


def test_nested_lists_become_tuples():
    assert spec_arguments(tokenizer("X", a=[[1, 2], [3]]), ["a"]) == {"a": ((1, 2), (3,))}


def test_numbers_are_configured_like_bins():
    numbers = build(tokenizer("LowdimObsTokenizer", obs_keys=["proprio"], n_bins=4, low=-2, high=2.5), no_encoder)()
    assert isinstance(numbers, LowdimObsTokenizer)
    assert (numbers.n_bins, numbers.low, numbers.high, numbers.obs_keys) == (4, -2, 2.5, ("proprio",))
