"""Words through the stages: which encodings are read, the figures against a slow reference, two instructions side by side."""

import dataclasses
import math

import numpy as np
import pytest

import octoscope as osc
from octoscope.encodings.instruction_pair import align_words, compare_words, group_differences
from octoscope.encodings.principal_plane import fit_plane
from octoscope.encodings.word_measures import measure_words, merging_words, movement_summary
from octoscope.encodings.word_stages import WORD_POINTS, Stage, WordStages, word_stages
from octoscope.encodings.word_table import pair_sentences, word_sentences, word_table
from octoscope.errors import SelectionError

STEPS = [0, 5]
POINTS = (*WORD_POINTS, "blocks.input")


def words_run(model, episode, instruction):
    return osc.attend(
        model,
        episode,
        steps=STEPS,
        options=osc.WatchOptions(instruction=instruction, dtype="float32", encodings=POINTS),
    )


@pytest.fixture(scope="module")
def run(demo_model, demo_episode):
    return words_run(demo_model, demo_episode, "pick up the red cube")


@pytest.fixture(scope="module")
def other(demo_model, demo_episode):
    return words_run(demo_model, demo_episode, "pick up the blue cube")


def test_stages_are_the_rows_of_the_words(run):
    words = word_stages(run, step=5, copy="repeated")
    layout = run.layout
    pieces = [piece.letters for piece in layout.instruction_pieces if piece.speaks]
    assert list(words.words) == pieces
    # T5 comes first, then the policy's stream; the last norms rescale and stand alone.
    assert words.spaces == ("T5", "T5 output", "policy", "output")
    rows = layout.select("obs_task_language", timestep=-1)[: len(pieces)]
    for stage in words.stages:
        if stage.point.startswith("blocks."):
            np.testing.assert_array_equal(stage.encodings, run.encoding(stage.point, step=5)[rows])
        else:
            np.testing.assert_array_equal(stage.encodings, run.encoding(stage.point)[: len(pieces)])


def test_words_in_front_never_change_and_repeated_ones_do(run):
    front = [word_stages(run, step=step) for step in STEPS]
    repeated = [word_stages(run, step=step, copy="repeated") for step in STEPS]
    for first, second in zip(front[0].stages, front[1].stages, strict=True):
        np.testing.assert_allclose(first.encodings, second.encodings, atol=1e-5)
    last = [stages.of_space("policy")[-1].encodings for stages in repeated]
    assert np.abs(last[0] - last[1]).max() > 1e-3


def test_the_end_mark_and_padding_are_no_words_unless_asked_for(run):
    assert word_stages(run).words == ("pick", "up", "the", "red", "cube")
    assert word_stages(run, padding=True).words[5] == "</s>"
    assert len(word_stages(run, padding=True).words) == len(run.layout.instruction_pieces)


def test_what_is_missing_is_said(run, demo_run):
    with pytest.raises(SelectionError, match=r"no encodings of words: make one with --encodings 'tokens\.task_\*'"):
        word_stages(demo_run)
    with pytest.raises(SelectionError, match="'in front' or 'repeated'"):
        word_stages(run, copy="behind")
    silent = dataclasses.replace(run, layout=dataclasses.replace(run.layout, pieces=()))
    with pytest.raises(SelectionError, match="No token of this run is a word"):
        word_stages(silent)


def made_up(count=4, embed=5, seed=0):
    rng = np.random.default_rng(seed)
    names = (("T5", "embedding"), ("T5", "layer 0"), ("policy", "projected"), ("policy", "layer 0"))
    stages = tuple(Stage(name, space, name, rng.normal(size=(count, embed)) + 1.0) for space, name in names)
    return WordStages(tuple("abcdef"[:count]), stages, "words in front")


def slow_cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(y * y for y in b))


@pytest.mark.parametrize("centred", [False, True])
def test_figures_equal_a_slow_reference(centred):
    words = made_up()
    measures = measure_words(words, centred=centred)
    for place, stage in enumerate(words.stages):
        mean = [sum(column) / len(words.words) for column in stage.encodings.T]
        start = words.stages[0 if stage.space == "T5" else 2].encodings
        start_mean = [sum(column) / len(words.words) for column in start.T]
        shared = sum(value * value for value in mean)
        whole = sum(float(value) ** 2 for row in stage.encodings for value in row) / len(words.words)
        assert measures.common[place] == pytest.approx(shared / whole)
        for one, vector in enumerate(stage.encodings):
            assert measures.norm[place, one] == pytest.approx(math.sqrt(sum(float(v) ** 2 for v in vector)))
            taken = [v - m * centred for v, m in zip(vector, mean, strict=True)]
            begun = [v - m * centred for v, m in zip(start[one], start_mean, strict=True)]
            assert measures.cosine_to_start[place, one] == pytest.approx(slow_cosine(taken, begun))
            for two, other in enumerate(stage.encodings):
                beside = [v - m * centred for v, m in zip(other, mean, strict=True)]
                assert measures.cosine[place, one, two] == pytest.approx(slow_cosine(taken, beside))
            if place in (0, 2):
                assert math.isnan(measures.movement[place, one])
            else:
                before = words.stages[place - 1].encodings[one]
                expected = np.linalg.norm(vector - before) / np.linalg.norm(before)
                assert measures.movement[place, one] == pytest.approx(expected)
    assert list(movement_summary(measures)) == ["T5 layer 0", "policy layer 0"]


def test_merging_counts_from_where_it_lasts():
    apart, alike = np.eye(2), np.array([[1.0, 0.1], [1.0, 0.0]])
    stages = [alike, apart, alike, alike]
    words = WordStages(
        ("red", "cube"), tuple(Stage(f"layer {n}", "policy", "", part) for n, part in enumerate(stages)), ""
    )
    (merge,) = merging_words(measure_words(words), threshold=0.9)
    assert (merge.first, merge.second, merge.stage) == ("red", "cube", "layer 2")
    assert merge.mean_cosine == pytest.approx(merge.cosine)
    assert merging_words(measure_words(words), threshold=0.999) == ()
    assert merging_words(measure_words(words), threshold=-1.0)[0].stage == "layer 0"
    with pytest.raises(ValueError, match=r"must be in -1\.\.1"):
        merging_words(measure_words(words), threshold=1.5)


def test_a_single_word_and_a_vector_of_zeros_have_no_cosine():
    words = WordStages(("go",), (Stage("embedding", "T5", "", np.zeros((1, 3))),), "")
    measures = measure_words(words)
    assert np.isnan(measures.mean_cosine_to_others).all()
    assert np.isnan(measures.cosine_to_start).all()
    assert np.isnan(measures.common).all()
    assert word_sentences(words, threshold=0.9) == []


def test_the_plane_is_that_of_scikit_learn():
    decomposition = pytest.importorskip("sklearn.decomposition")
    vectors = np.random.default_rng(0).normal(size=(30, 7)) @ np.diag([5, 3, 1, 1, 1, 1, 1.0])
    plane = fit_plane([vectors[:10], vectors[10:]])
    reference = decomposition.PCA(2).fit(vectors)
    np.testing.assert_allclose(plane.explained, reference.explained_variance_ratio_, rtol=1e-9)
    np.testing.assert_allclose(np.abs(plane.place(vectors)), np.abs(reference.transform(vectors)), atol=1e-9)


def test_words_are_aligned_across_instructions():
    assert align_words(["pick", "red", "cube"], ["pick", "blue", "cube"]) == ((0, 0), (1, 1), (2, 2))
    # One word against two: nobody can tell which it stands for.
    assert align_words(["pick", "red", "cube"], ["pick", "dark", "blue", "cube"]) == ((0, 0), (2, 3))
    assert align_words(["a"], ["b"]) == ((0, 0),)


def test_two_instructions_part_at_their_words_and_then_everywhere(run, other):
    pairs = compare_words(word_stages(run), word_stages(other))
    assert "red | blue" in pairs.labels
    same = [first == second for first, second in pairs.pairs]
    assert (pairs.distance[0][same] == 0).all()
    np.testing.assert_allclose(pairs.cosine[0][same], 1.0, atol=1e-6)
    assert pairs.distance[0][pairs.labels.index("red | blue")] > 0.3
    # T5 carries the colour over to the words beside it.
    assert (pairs.distance[pairs.stages.index("layer 0")][same] > 0).all()
    alike = compare_words(word_stages(run), word_stages(run))
    assert (alike.distance == 0).all()


def test_the_difference_reaches_groups_through_attention_alone(run, other):
    groups = {group.group: group for group in group_differences(run, other)}
    assert list(groups) == list(run.layout.groups)
    for name in ("obs_primary", "readout_action"):
        assert (groups[name].distance[:, 0] == 0).all()
        assert (groups[name].distance[:, 1:] > 0).all()
    assert (groups["task_language"].distance[:, 0] > 0).all()
    assert (groups["task_language"].from_step_to_step < 1e-6).all()
    assert groups["readout_action"].stages == ("input", "0", "1", "2")


def test_distance_is_in_units_of_different_words():
    first = WordStages(("a", "b"), (Stage("embedding", "T5", "p", np.array([[0.0, 0.0], [2.0, 0.0]])),), "")
    moved = Stage("embedding", "T5", "p", np.array([[0.0, 3.0], [2.0, 3.0]]))
    pairs = compare_words(first, WordStages(("a", "b"), (moved,), ""))
    np.testing.assert_allclose(pairs.distance, [[1.5, 1.5]])


def test_runs_that_cannot_be_compared_are_refused(run, demo_run):
    with pytest.raises(SelectionError, match="hold the same steps and tokens"):
        group_differences(run, demo_run)
    nothing = WordStages(("x",), (Stage("embedding", "T5", "elsewhere", np.ones((1, 2))),), "")
    with pytest.raises(SelectionError, match="no stage or no word in common"):
        compare_words(word_stages(run), nothing)


def test_table_and_sentences_hold_the_figures(run, other):
    words = word_stages(run)
    table = word_table([words])
    measures = measure_words(words)
    assert len(table.columns["word"]) == len(words.words) * len(words.stages)
    assert table.columns["norm"][0] == pytest.approx(float(measures.norm[0, 0]))
    told = word_sentences(words, threshold=-1.0)
    total = len(words.words) * (len(words.words) - 1) // 2
    assert any(f"{total} of {total} pairs of words" in sentence for sentence in told)
    assert f"{measures.common[0]:.1%}" in told[0]
    beside = pair_sentences([compare_words(words, word_stages(other))], group_differences(run, other))
    assert any("words that differ (red | blue)" in sentence for sentence in beside)
    assert any(sentence.startswith("readout_action under the two instructions") for sentence in beside)
