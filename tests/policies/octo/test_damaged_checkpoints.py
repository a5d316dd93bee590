"""Fuzz tests of what reads a checkpoint: whatever a file holds, it is read or refused in a sentence, by `doctor` too."""

import json
import shutil
from pathlib import Path

import numpy as np
import orbax.checkpoint as ocp
import pytest
from flax import serialization
from hypothesis import given
from hypothesis import strategies as st

from damaged_files import damaged_bytes, damaged_tree, fuzzed, headers_damaged
from octoscope.checkpoints.json_file import read_json
from octoscope.checkpoints.safetensors_file import open_safetensors, write_safetensors
from octoscope.embedded.files import policy_directory
from octoscope.errors import CheckpointError, OctoscopeError
from octoscope.policies.octo.checkpoint.assembly import assemble_module, assemble_text_processor, expected_params
from octoscope.policies.octo.checkpoint.checkpoint import read_msgpack
from octoscope.policies.octo.checkpoint.config import apply_shims, shim_example_batch
from octoscope.policies.octo.checkpoint.msgpack_index import open_msgpack
from octoscope.policies.octo.checkpoint.orbax_directory import is_orbax_directory, open_orbax_directory
from octoscope.policies.octo.checkpoint.statistics import find_statistics, read_statistics
from octoscope.policies.octo.checkup import examine_checkpoint
from octoscope.policies.octo.words.instruction_embeddings import read_instruction_embeddings
from octoscope.policies.octo.words.text import WordPieces, check_vocabulary, read_tokenizer
from small_policies import TEXT_ENCODER, small_batch, small_config, write_policy

# Loading is what is tested here: every policy comes from its files.
pytestmark = pytest.mark.usefixtures("loads_anew")

TREE = {
    "heads_action": {"half": np.full((2, 2), 0.1, np.float16), "none": np.zeros((0, 4), np.float32)},
    "octo_transformer": {"a": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3) / 7}},
}
LAYOUTS = {"ocdbt": {"use_ocdbt": True, "use_zarr3": False}, "zarr": {"use_ocdbt": False, "use_zarr3": True}}
WORDS = policy_directory("drawn") / "demo-words" / "tokenizer.json"
UNIGRAM = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [
        {"id": 0, "content": "<pad>", "special": True}
        | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    ],
    "normalizer": {"type": "NFKC"},
    "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
    "post_processor": {
        "type": "TemplateProcessing",
        "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}},
    },
    "decoder": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
    "model": {
        "type": "Unigram",
        "unk_id": 2,
        "vocab": [
            ["<pad>", 0.0],
            ["</s>", 0.0],
            ["<unk>", 0.0],
            ["\u2581push", -2.0],
            ["\u2581", -3.0],
            ["ball", -4.0],
        ],
        "byte_fallback": False,
    },
}
STATISTICS = {
    "tabletop": {
        "action": {"mean": [0.0, 1.0], "std": [1.0, 2.0], "p01": [-1.0, 0.0], "p99": [1.0, 2.0], "mask": [True, False]},
        "proprio": {"mean": [0.0], "std": [1.0]},
        "num_trajectories": 3,
    }
}


def read_or_refused(read, *arguments):
    """Reads; an error of ours is as good as a result, any other fails the test."""
    try:
        return read(*arguments)
    except OctoscopeError:
        return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("damaged")


@pytest.fixture(scope="module")
def safetensors(folder):
    (folder / "whole").write_bytes(serialization.msgpack_serialize(TREE))
    write_safetensors(folder / "whole.safetensors", open_msgpack(folder / "whole"), metadata={"step": "3"})
    return (folder / "whole.safetensors").read_bytes()


@fuzzed(150)
@given(st.one_of(damaged_bytes(serialization.msgpack_serialize(TREE)), st.binary(max_size=64)))
def test_fuzz_msgpack(folder, content):
    (folder / "checkpoint").write_bytes(content)
    read_or_refused(lambda: dict(open_msgpack(folder / "checkpoint").arrays()))


@fuzzed(150)
@given(data=st.data())
def test_fuzz_safetensors(folder, safetensors, data):
    length = int.from_bytes(safetensors[:8], "little")
    if data.draw(st.booleans(), label="whole header"):
        header = json.dumps(data.draw(damaged_tree(json.loads(safetensors[8 : 8 + length])))).encode()
        content = len(header).to_bytes(8, "little") + header + safetensors[8 + length :]
    else:
        content = data.draw(headers_damaged(safetensors, 8 + length))
    (folder / "params.safetensors").write_bytes(content)
    read_or_refused(lambda: dict(open_safetensors(folder / "params.safetensors").arrays()))


@pytest.fixture(scope="module", params=LAYOUTS)
def orbax(request, tmp_path_factory):
    whole = tmp_path_factory.mktemp("orbax") / request.param
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler(**LAYOUTS[request.param])) as checkpointer:
        checkpointer.save(whole, args=ocp.args.PyTreeSave({"octo_transformer": TREE["octo_transformer"]}))
    return whole


@fuzzed(40)
@given(data=st.data())
def test_fuzz_orbax(folder, orbax, data):
    damaged = folder / "orbax"
    shutil.rmtree(damaged, ignore_errors=True)
    shutil.copytree(orbax, damaged)
    files = sorted(str(path.relative_to(damaged)) for path in damaged.rglob("*") if path.is_file())
    file = damaged / data.draw(st.sampled_from(files))
    content = file.read_bytes()
    try:
        tree = json.loads(content)
    except ValueError:
        tree = None
    if isinstance(tree, dict) and tree and data.draw(st.booleans(), label="as JSON"):
        file.write_text(json.dumps(data.draw(damaged_tree(tree))))
    else:
        file.write_bytes(data.draw(damaged_bytes(content)))
    if is_orbax_directory(damaged):
        read_or_refused(lambda: dict(open_orbax_directory(damaged).arrays()))


def test_a_small_orbax_folder_that_claims_to_be_huge_is_refused_unread(tmp_path):
    array = tmp_path / "heads_action.kernel"
    array.mkdir()
    described = {"zarr_format": 2, "shape": [2**20, 2**20], "chunks": [2**10, 2**10], "dtype": "<f4"}
    described |= {"compressor": None, "fill_value": 0, "order": "C", "filters": None}
    (array / ".zarray").write_text(json.dumps(described))
    with pytest.raises(
        CheckpointError, match=r"'heads_action/kernel' is \(1048576, 1048576\) of float32, which no parameter"
    ):
        open_orbax_directory(tmp_path)


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    return write_policy(tmp_path_factory.mktemp("small"), small_config(), small_batch())


@fuzzed(60)
@given(damaged_tree(small_config()))
def test_fuzz_config(policy, config):
    batch = shim_example_batch(read_msgpack(policy / "example_batch.msgpack"))
    (policy / "config.json").write_text(json.dumps(config))

    def build():
        read = apply_shims(read_json(policy / "config.json"))
        assemble_text_processor(read, policy)
        return expected_params(assemble_module(read, policy), batch, policy)

    read_or_refused(build)


@fuzzed(40)
@given(damaged_bytes(json.dumps(small_config()).encode()))
def test_fuzz_config_bytes(policy, content):
    (policy / "config.json").write_bytes(content)
    read_or_refused(lambda: apply_shims(read_json(policy / "config.json")))


@fuzzed(300)
@given(st.one_of(damaged_tree(STATISTICS), damaged_tree(STATISTICS["tabletop"])), st.sampled_from(["normal", "bounds"]))
def test_fuzz_statistics(folder, statistics, kind):
    config = {"dataset_kwargs": {"action_proprio_normalization_type": kind}}
    (folder / "dataset_statistics.json").write_text(json.dumps(statistics))
    for field in ("action", "proprio"):
        read = read_or_refused(
            lambda field=field: find_statistics(read_statistics(folder), "tabletop", field, config=config)
        )
        if read is not None:
            used = [read[key] for key in (("mean", "std") if kind == "normal" else ("p01", "p99"))]
            assert all(np.isfinite(values).all() and values.shape == read["mask"].shape for values in used)


@pytest.mark.parametrize("tree", [UNIGRAM, json.loads(WORDS.read_text())], ids=["unigram", "words"])
@fuzzed(80)
@given(data=st.data())
def test_fuzz_tokenizer(folder, tree, data):
    whole = json.dumps(tree).encode()
    as_tree = data.draw(st.booleans(), label="as JSON")
    content = json.dumps(data.draw(damaged_tree(tree))).encode() if as_tree else data.draw(damaged_bytes(whole))
    (folder / "tokenizer.json").write_bytes(content)
    tokenizer = read_or_refused(lambda: read_tokenizer(folder / "tokenizer.json", max_length=6))
    if tokenizer is not None:
        # What was accepted knows what to do with any word.
        for text in ("push the ball", "", "\u6f22\u5b57 \U0001f980 zyx", "\u0000"):
            assert len(tokenizer.encode(text).ids) == 6


BYTE_PAIRS = {"type": "BPE", "vocab": {"<pad>": 0, "a": 1}, "merges": []}
WORD_LEVEL = {"type": "WordLevel", "vocab": {"<pad>": 0, "push": 1}, "unk_token": "<unk>"}
MARKED = [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}]
# By name: what stands in the file instead, and what is said.
BAD_TOKENIZERS = {
    "a panic at loading": (
        {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}},
        "no readable tokenizer.json",
    ),
    "a panic at encoding": (
        {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAAAA=="}},
        "tokenizer.json",
    ),
    "no unknown piece": (
        {"model": UNIGRAM["model"] | {"unk_id": None}},
        "breaks at a word that it does not know",
    ),
    "unknown piece lacking": ({"model": WORD_LEVEL}, "breaks at a word that it does not know"),
    "unknown words dropped": ({"model": BYTE_PAIRS}, "no piece for a word that it does not know: it would drop"),
    "unknown piece outside": ({"model": UNIGRAM["model"] | {"unk_id": 99}}, "no readable tokenizer.json"),
    "a mark that is not described": (
        {"post_processor": {"type": "TemplateProcessing", "single": MARKED, "pair": MARKED, "special_tokens": {}}},
        "breaks at a word that it does not know, or at a mark around words",
    ),
    "no padding piece": (
        {"model": WORD_LEVEL | {"vocab": {"<unk>": 0}}, "added_tokens": []},
        "no padding piece '<pad>'",
    ),
}


@pytest.mark.parametrize(("change", "said"), BAD_TOKENIZERS.values(), ids=BAD_TOKENIZERS.keys())
def test_a_bad_tokenizer_is_found_before_the_first_unknown_word(tmp_path, capfd, change, said):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({**UNIGRAM, "post_processor": None, **change}))
    with pytest.raises(CheckpointError, match=said):
        read_tokenizer(path, max_length=6)
    # A panic prints a page of addresses.
    assert capfd.readouterr() == ("", "")


def test_a_good_tokenizer_is_read(tmp_path):
    (tmp_path / "tokenizer.json").write_text(json.dumps(UNIGRAM))
    tokenizer = read_tokenizer(tmp_path / "tokenizer.json", max_length=6)
    # "push", the word's beginning, the unknown piece, the end mark, padding.
    assert tokenizer.encode("push \u2603").ids == [3, 4, 2, 1, 0, 0]


def test_pieces_numbered_beyond_the_encoder_are_found(tmp_path):
    vocabulary = {"<pad>": 0, "<unk>": 1, "push": 9999}
    (tmp_path / "tokenizer.json").write_text(
        json.dumps({**UNIGRAM, "post_processor": None, "model": WORD_LEVEL | {"vocab": vocabulary}})
    )
    words = WordPieces(read_tokenizer(tmp_path / "tokenizer.json", max_length=6))
    with pytest.raises(CheckpointError, match="knows 10,000 word pieces"):
        check_vocabulary(words, [TEXT_ENCODER])


@pytest.mark.parametrize(
    ("offsets", "said"),
    [([0, 8, 4, 12], "begins at byte"), ([0, 8, 12, 20], "begins at byte"), ([0, 8, 8, 16], "goes on for 4 bytes")],
    ids=["shared bytes", "a gap", "a rest"],
)
def test_safetensors_without_gaps_alone(tmp_path, offsets, said):
    header = {
        name: {"dtype": "F32", "shape": [2], "data_offsets": offsets[place : place + 2]}
        for name, place in (("a", 0), ("b", 2))
    }
    text = json.dumps(header).encode()
    (tmp_path / "params.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(20))
    with pytest.raises(CheckpointError, match=said):
        open_safetensors(tmp_path / "params.safetensors")


@fuzzed(100)
@given(damaged_bytes(serialization.msgpack_serialize(small_batch())))
def test_fuzz_example_batch(folder, content):
    (folder / "example_batch.msgpack").write_bytes(content)
    read_or_refused(lambda: shim_example_batch(read_msgpack(folder / "example_batch.msgpack")))


@fuzzed(60)
@given(data=st.data())
def test_fuzz_instruction_embeddings(folder, data):
    path = folder / "instruction_embeddings.npz"
    np.savez(path, texts=np.array(["", "push"]), embeddings=np.ones((2, 3), np.float32))
    path.write_bytes(data.draw(damaged_bytes(path.read_bytes())))
    read_or_refused(lambda: read_instruction_embeddings(path, encoder="MUSE"))


@pytest.fixture(scope="module")
def sound_policy(tmp_path_factory):
    return write_policy(tmp_path_factory.mktemp("sound"), small_config(), small_batch())


@fuzzed(25)
@given(data=st.data())
def test_fuzz_doctor(sound_policy, tmp_path_factory, data):
    damaged = tmp_path_factory.mktemp("doctor") / "policy"
    shutil.copytree(sound_policy, damaged)
    file: Path = damaged / data.draw(
        st.sampled_from(["config.json", "dataset_statistics.json", "example_batch.msgpack", "0/default/checkpoint"])
    )
    if file.suffix == ".json" and data.draw(st.booleans(), label="as JSON"):
        file.write_text(json.dumps(data.draw(damaged_tree(json.loads(file.read_text())))))
    else:
        file.write_bytes(data.draw(damaged_bytes(file.read_bytes())))
    problems = examine_checkpoint(damaged).problems
    unforeseen = [problem for problem in problems if "Not foreseen" in problem]
    assert not unforeseen, unforeseen
