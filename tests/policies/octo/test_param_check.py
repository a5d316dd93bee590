"""Differences between stored and expected parameters: all are counted, and few lines tell many of them."""

import jax
import numpy as np
import pytest

from octoscope.errors import CheckpointError
from octoscope.policies.octo.checkpoint.param_check import check_params, compare_params


def params(shapes, dtype=np.float32):
    return {path: jax.ShapeDtypeStruct(shape, dtype) for path, shape in shapes.items()}


def blocks(width, count=12):
    return {
        f"octo_transformer/encoderblock_{i}/MlpBlock_0/Dense_{j}/{leaf}": (width, 4) if leaf == "kernel" else (width,)
        for i in range(count)
        for j in range(2)
        for leaf in ("kernel", "bias")
    }


def test_equal_trees_are_silent():
    check_params(params(blocks(8)), params(blocks(8)))


def test_one_difference_is_one_line():
    have = params({**blocks(8), "heads_action/bias": (3,)})
    want = params({**blocks(8), "heads_action/bias": (4,)})
    with pytest.raises(CheckpointError) as error:
        check_params(have, want)
    assert str(error.value).splitlines() == [
        "The parameters do not fit the policy that config.json describes.",
        "1 of another shape:",
        "  heads_action/bias: config says (4,), file has (3,)",
        "Use the config.json that was saved with these parameters.",
    ]


def test_a_missing_module_is_one_line():
    want = params({**blocks(8), "octo_transformer/other": (1,), "heads_a/x/kernel": (1,), "heads_a/y/bias": (2,)})
    have = params({**blocks(8), "octo_transformer/other": (1,)})
    assert compare_params(have, want) == ["2 missing:", "  heads_a: all 2 parameters of it"]
    assert compare_params(want, have) == ["2 not in the policy:", "  heads_a: all 2 parameters of it"]


def test_many_blocks_of_another_width_are_few_lines():
    lines = compare_params(params(blocks(16, 125)), params(blocks(8, 125)))
    assert lines == [
        "500 of another shape:",
        "  octo_transformer/encoderblock_*/MlpBlock_*/Dense_*/bias: config says (8,), file has (16,), 250 times",
        "  octo_transformer/encoderblock_*/MlpBlock_*/Dense_*/kernel: config says (8, 4), file has (16, 4), 250 times",
    ]


def test_more_blocks_than_the_config_has():
    lines = compare_params(params(blocks(8, 14)), params(blocks(8, 12)))
    assert lines == ["8 not in the policy:", "  octo_transformer/encoderblock_*: all 4 parameters of it, 2 times"]


def test_ten_different_differences_are_not_cut_and_five_hundred_are():
    names = [
        f"module_{'abcdefghijklmnopqrstuvwxyz'[i // 26]}{'abcdefghijklmnopqrstuvwxyz'[i % 26]}/kernel"
        for i in range(500)
    ]
    keep = params({"other": (1,)})
    ten = compare_params(keep, {**keep, **params({name: (2,) for name in names[:10]})})
    assert len(ten) == 11
    many = compare_params(keep, {**keep, **params({name: (2,) for name in names})})
    assert many[0] == "500 missing:"
    assert many[-1] == "  ... and 490 more lines like these"
    assert len(many) == 12


def test_a_renamed_parameter_is_recognised():
    have = params({"octo_transformer/obs_wirst_pos_embedding": (1, 10, 4), "octo_transformer/b": (1,)})
    want = params({"octo_transformer/obs_wrist_pos_embedding": (1, 10, 4), "octo_transformer/b": (1,)})
    assert "; is it the missing 'octo_transformer/obs_wrist_pos_embedding'?" in compare_params(have, want)[-1]


def test_whole_numbers_are_no_weights():
    lines = compare_params(params({"a": (2,)}, np.int32), params({"a": (2,)}))
    assert lines == ["1 of another kind:", "  a: int32, not real numbers"]
