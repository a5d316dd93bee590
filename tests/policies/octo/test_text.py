"""Text processors: what each one a config may name gives, and what is said when it cannot."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from octoscope.errors import CheckpointError, ConfigError, ObservationError
from octoscope.policies.octo.checkpoint.sources import find_text_encoder, find_tokenizer
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.tokenizers import LanguageTokenizer
from octoscope.policies.octo.words.instruction_embeddings import EMBEDDINGS_FILE
from octoscope.policies.octo.words.text import (
    TextProcessor,
    WordPieces,
    check_vocabulary,
    load_text_processor,
    read_tokenizer,
)
from official_files import OFFICIAL
from small_policies import TEXT_ENCODER, encoder, small_batch, small_config, spec, tokenizer, write_policy

PROCESSING = "data.utils.text_processing"
T5_KWARGS = {"max_length": 5, "padding": "max_length", "truncation": True, "return_tensors": "np"}


def write_tokenizer(folder, pieces, *, start, end):
    words = Tokenizer(models.WordLevel({piece: i for i, piece in enumerate(pieces)}, unk_token=pieces[0]))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    marks = [(piece, pieces.index(piece)) for piece in (start, end) if piece]
    words.post_processor = processors.TemplateProcessing(single=f"{start} $A {end}".strip(), special_tokens=marks)
    folder.mkdir(parents=True)
    words.save(str(folder / "tokenizer.json"))


@pytest.fixture
def checkpoint(tmp_path):
    write_tokenizer(tmp_path / "t5-mine", ["<pad>", "</s>", "put", "carrot"], start="", end="</s>")
    clip = ["<|startoftext|>", "<|endoftext|>", "put", "carrot"]
    write_tokenizer(tmp_path / "openai" / "clip-vit-base-patch32", clip, start=clip[0], end=clip[1])
    return tmp_path


def load(checkpoint, name, *args, **kwargs):
    def find(tokenizer_name):
        return find_tokenizer(tokenizer_name, checkpoint)

    return load_text_processor(
        {**spec(PROCESSING, name, **kwargs), "args": list(args)}, find, checkpoint / EMBEDDINGS_FILE
    )


def test_no_processor():
    assert load_text_processor(None, lambda name: Path(name), Path(EMBEDDINGS_FILE)) is None


def test_word_pieces_are_filled_up_and_cut_with_the_end_kept(checkpoint):
    words = load(checkpoint, "HFTokenizer", tokenizer_name="t5-mine", tokenizer_kwargs=T5_KWARGS)
    assert isinstance(words, TextProcessor)
    encoded = words.encode(["put carrot", "put put put put put put", ""])
    assert encoded["input_ids"].tolist() == [[2, 3, 1, 0, 0], [2, 2, 2, 2, 1], [1, 0, 0, 0, 0]]
    assert encoded["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1] * 5, [1, 0, 0, 0, 0]]
    assert set(encoded) == {"input_ids", "attention_mask"}
    assert {leaf.dtype for leaf in encoded.values()} == {np.dtype(np.int64)}
    assert words.pieces("put carrot") == ("put", "carrot", "</s>", "<pad>", "<pad>")


def test_what_was_read_and_what_was_cut_is_told_as_it_was_typed(checkpoint):
    words = load(checkpoint, "HFTokenizer", tokenizer_name="t5-mine", tokenizer_kwargs=T5_KWARGS)
    whole = words.reading("put carrot")
    assert (whole.read, whole.cut, whole.pieces, whole.unknown) == ("put carrot", "", 3, ())
    assert whole.remarks() == []
    long = words.reading("put  carrot put caf\u00e9, carrot put")
    assert (long.read, long.cut, long.pieces) == ("put  carrot put caf\u00e9", ", carrot put", 5)
    assert long.unknown == ("caf\u00e9",)
    cut, unknown = long.remarks()
    assert cut.endswith('"put  carrot put caf\u00e9". Cut off, and not read: ", carrot put".')
    assert unknown == 'Not in the policy\'s vocabulary, and read as one and the same piece <unk>: "caf\u00e9".'
    lost = words.reading("\u628a \u80e1")
    assert lost.unknown == ("\u628a", "\u80e1")
    assert not lost.any_known
    assert lost.remarks()[0].startswith("The policy knows no word of the instruction")


def test_exactly_as_many_pieces_as_there_is_room_for_are_not_cut(checkpoint):
    words = load(checkpoint, "HFTokenizer", tokenizer_name="t5-mine", tokenizer_kwargs=T5_KWARGS)
    assert words.reading("put put put put ").remarks() == []
    assert words.reading("put put put put put").cut.strip() == "put"


def test_a_cut_inside_a_word_and_unknown_letters_are_told_by_t5_itself():
    tokenizer = read_tokenizer(OFFICIAL / "t5-tiny" / "tokenizer.json", max_length=4)
    text = "pick up the red cube and the blue one"
    reading = WordPieces(tokenizer).reading(text)
    assert reading.read + reading.cut == text
    assert reading.pieces == 4
    assert text.startswith(reading.read)
    pieces = WordPieces(tokenizer).pieces(text)[:-1]
    assert "".join(pieces).replace("\u2581", " ").strip() == reading.read.strip()
    chinese = WordPieces(tokenizer).reading("\u628a\u80e1")
    assert not chinese.any_known
    assert "".join(chinese.unknown) == "\u628a\u80e1"


def test_clip_cuts_too_and_knows_its_own_marks(checkpoint):
    reading = load(checkpoint, "CLIPTextProcessor", tokenizer_kwargs=T5_KWARGS).reading("put carrot put carrot")
    assert (reading.read, reading.cut, reading.pieces, reading.unknown) == ("put carrot put", " carrot", 5, ())


def test_64_pieces_when_the_config_does_not_say(checkpoint):
    assert load(checkpoint, "HFTokenizer", "t5-mine").encode([""])["input_ids"].shape == (1, 64)


def test_clip_numbers_its_pieces_and_fills_up_with_its_end_mark(checkpoint):
    encoded = load(checkpoint, "CLIPTextProcessor", tokenizer_kwargs=T5_KWARGS).encode(["put carrot", "put"])
    assert encoded["input_ids"].tolist() == [[0, 2, 3, 1, 1], [0, 2, 1, 1, 1]]
    assert encoded["attention_mask"].tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]]
    assert encoded["position_ids"].tolist() == [[0, 1, 2, 3, 4]] * 2


@pytest.mark.parametrize(
    ("name", "kwargs", "message"),
    [
        ("HFTokeniser", {}, r"text processor '.*HFTokeniser'.* Did you mean '.*HFTokenizer'\?"),
        ("HFTokenizer", {}, "no 'tokenizer_name', which it needs"),
        ("HFTokenizer", {"tokenizer_nam": "x"}, "Did you mean 'tokenizer_name'"),
        ("HFTokenizer", {"tokenizer_name": "x", "tokenizer_kwargs": {"max_len": 3}}, "Did you mean 'max_length'"),
        ("HFTokenizer", {"tokenizer_name": "x", "tokenizer_kwargs": {"max_length": 3}}, "the same number of pieces"),
        (
            "HFTokenizer",
            {"tokenizer_name": "x", "tokenizer_kwargs": {**T5_KWARGS, "padding": True}},
            "same number of pieces",
        ),
        ("MuseEmbedding", {"version": 3}, "'version', which it does not take"),
    ],
)
def test_what_cannot_be_gets_a_sentence(checkpoint, name, kwargs, message):
    with pytest.raises(ConfigError, match=message):
        load(checkpoint, name, **kwargs)


def test_a_missing_vocabulary_is_refused_with_the_place_to_put_it(tmp_path, monkeypatch):
    monkeypatch.setattr("octoscope.checkpoints.text_file.hf_hub_download", _unreachable)
    with pytest.raises(CheckpointError, match=r"whose tokenizer\.json is not part of a checkpoint") as error:
        load(tmp_path, "HFTokenizer", tokenizer_name="t5-mine")
    assert f"Put it at {tmp_path / 't5-mine' / 'tokenizer.json'}." in str(error.value)
    assert "spiece.model" not in str(error.value)
    (tmp_path / "t5-mine").mkdir()
    (tmp_path / "t5-mine" / "spiece.model").touch()
    with pytest.raises(CheckpointError, match=r"spiece\.model there is not enough"):
        load(tmp_path, "HFTokenizer", tokenizer_name="t5-mine")


def _unreachable(*args, **kwargs):
    raise OSError("no connection")


def test_another_models_vocabulary_is_refused(checkpoint):
    with pytest.raises(CheckpointError, match="no padding piece '<pad>': it is not the tokenizer of a T5"):
        load(checkpoint, "HFTokenizer", "openai/clip-vit-base-patch32")


@pytest.mark.parametrize(
    "config", ['{"model_type": "clip"}', '{"model_type": "t5", "feed_forward_proj": "gated-gelu"}']
)
def test_a_text_encoder_that_is_no_first_t5_is_refused(tmp_path, config):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text(config)
    with pytest.raises(
        ConfigError, match=r"The text encoder 'mine' is a .* set the language tokenizer's `encoder` to null"
    ):
        find_text_encoder("mine", tmp_path)


def test_a_published_t5_is_known_by_both_of_its_names(tmp_path):
    assert find_text_encoder("google-t5/t5-base", tmp_path) == find_text_encoder("t5-base", tmp_path)


def test_a_tokenizer_with_more_pieces_than_the_encoder_is_another_models(checkpoint):
    words = load(checkpoint, "HFTokenizer", "t5-mine")
    check_vocabulary(words, [TEXT_ENCODER])
    check_vocabulary(None, [TEXT_ENCODER])
    with pytest.raises(
        CheckpointError, match="knows 4 word pieces, but the policy's text encoder has embeddings for 3"
    ):
        check_vocabulary(words, [dataclasses.replace(TEXT_ENCODER, vocab_size=3)])


@pytest.mark.parametrize("shape", [(2, 6), (2, 4, 6)])
def test_encodings_computed_elsewhere_are_looked_up_by_their_words(tmp_path, shape):
    vectors = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    np.savez(tmp_path / EMBEDDINGS_FILE, texts=["", "put carrot"], embeddings=vectors)
    muse = load(tmp_path, "MuseEmbedding")
    assert isinstance(muse, TextProcessor)
    got = muse.encode(["put carrot", "", "put carrot"])
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, vectors[[1, 0, 1]])
    assert muse.pieces("put carrot") == ()
    with pytest.raises(ObservationError, match=r"holds no 'put carrots'\. Did you mean 'put carrot'\?"):
        muse.encode(["put carrots"])


def test_without_their_table_encodings_must_come_with_the_task(tmp_path):
    words = load(tmp_path, "HFTokenizer", tokenizer_name="distilbert", encode_with_model=True)
    with pytest.raises(ObservationError, match=r"the language model 'distilbert'.*is missing\. .*empty text.*np.savez"):
        words.encode([""])


@pytest.mark.parametrize(
    "table",
    [
        {"texts": ["a"]},
        {"texts": ["a"], "embeddings": np.zeros((2, 3))},
        {"texts": ["a", "a"], "embeddings": np.zeros((2, 3))},
        {"texts": ["a"], "embeddings": np.full((1, 3), np.nan)},
        {"texts": ["a"], "embeddings": np.zeros((1, 3), int)},
        {"texts": np.array(["a"], object), "embeddings": np.zeros((1, 3))},
    ],
)
def test_a_table_that_cannot_be_trusted_is_refused(tmp_path, table):
    np.savez(tmp_path / EMBEDDINGS_FILE, **table)
    with pytest.raises(CheckpointError, match=r"instruction_embeddings\.npz must h?"):
        load(tmp_path, "MuseEmbedding")


@pytest.mark.parametrize(("shape", "tokens"), [((2, 6), 1), ((2, 4, 6), 4)])
def test_encodings_are_tokens_as_they_are_and_masked_as_a_whole(shape, tokens):
    values = jnp.arange(np.prod(shape), dtype=jnp.float32).reshape(shape)
    tasks = {"language_instruction": values, "pad_mask_dict": {"language_instruction": jnp.array([True, False])}}
    group = LanguageTokenizer().apply({}, {}, tasks)
    np.testing.assert_array_equal(group.tokens, values.reshape(2, tokens, 6))
    assert group.mask.tolist() == [[True] * tokens, [False] * tokens]
    unmasked = LanguageTokenizer(proper_pad_mask=False).apply({}, {}, tasks)
    assert unmasked.mask.tolist() == [[1.0] * tokens] * 2
    untold = LanguageTokenizer().apply({}, {}, {"language_instruction": values, "pad_mask_dict": {}})
    assert untold.mask.tolist() == [[1.0] * tokens] * 2


def test_encodings_given_to_a_policy_with_a_text_encoder_stand_in_for_it():
    language = LanguageTokenizer(encoder_config=TEXT_ENCODER)
    words = {"input_ids": jnp.array([[3, 1, 0]]), "attention_mask": jnp.array([[1, 1, 0]])}
    encoded, variables = language.init_with_output(jax.random.key(0), {}, {"language_instruction": words})
    again = language.apply(variables, {}, {"language_instruction": encoded.tokens})
    np.testing.assert_array_equal(again.tokens, encoded.tokens)
    with pytest.raises(ObservationError, match="must hold `input_ids` and `attention_mask`"):
        language.apply(variables, {}, {"language_instruction": {"input_ids": words["input_ids"]}})


@pytest.mark.parametrize("wrong", [jnp.zeros((2, 16), int), jnp.zeros(3), ["put carrot"]])
def test_other_instructions_are_refused(wrong):
    with pytest.raises(ObservationError, match="must be floating encodings"):
        LanguageTokenizer().apply({}, {}, {"language_instruction": wrong})


def test_a_table_of_encodings_serves_a_policy_that_names_no_text_processor(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    film = encoder("PatchEncoder", patch_size=16, num_features=8, use_film=True)
    camera = tokenizer(
        "ImageTokenizer", obs_stack_keys=["image_primary"], task_film_keys=["language_instruction"], encoder=film
    )
    batch = small_batch(language_instruction=vectors[:1])
    folder = write_policy(tmp_path / "policy", small_config(observation_tokenizers={"primary": camera}), batch)
    with pytest.raises(ObservationError, match=r"as an encoding \(6,\): lay instruction_embeddings\.npz"):
        OctoModel.load_pretrained(folder).create_tasks(texts=["put carrot"])
    np.savez(folder / EMBEDDINGS_FILE, texts=["put carrot", "lift it"], embeddings=vectors)
    model = OctoModel.load_pretrained(folder)
    tasks = model.create_tasks(texts=["lift it"])
    np.testing.assert_array_equal(tasks["language_instruction"], vectors[1:])
    assert tasks["pad_mask_dict"]["language_instruction"].all()
    with pytest.raises(ObservationError, match="a model that its config does not name"):
        model.create_tasks(texts=["lift them"])


def test_a_policy_on_encodings_acts_and_its_layout_has_one_word_token_without_pieces(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    batch = small_batch(language_instruction=vectors[:1])
    config = small_config(task_tokenizers={"language": tokenizer("LanguageTokenizer")})
    config["text_processor"] = spec(PROCESSING, "MuseEmbedding")
    folder = write_policy(tmp_path / "policy", config, batch)
    np.savez(folder / EMBEDDINGS_FILE, texts=["", "put carrot"], embeddings=vectors)
    model = OctoModel.load_pretrained(folder)
    tasks = model.create_tasks(texts=["put carrot"])
    np.testing.assert_array_equal(tasks["language_instruction"], vectors[1:])
    layout = model.token_layout(batch["observation"], tasks).with_pieces(model.text_processor.word_pieces("put carrot"))
    assert [layout.select(group).size for group in ("task_language", "obs_task_language")] == [1, 2]
    assert {token.piece for token in layout.tokens()} == {None}
    goal = model.create_tasks(goals={"image_primary": batch["task"]["image_primary"]})
    assert not goal["pad_mask_dict"]["language_instruction"].any()
    with pytest.raises(ObservationError, match=r"'language_instruction' must have shape \(batch, 6\)"):
        model.token_layout(batch["observation"], {"language_instruction": np.zeros((1, 3, 6), np.float32)})
