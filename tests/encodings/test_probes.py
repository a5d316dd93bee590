"""Probes: the classifier against scikit-learn, held-out episodes for certain, and controls that show what leaks."""

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier as Known
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler

from octoscope.encodings.linear_probe import position_features, probe_encodings
from octoscope.encodings.ridge_classifier import fit_ridge_classifier


def samples(classes=3, count=300, entries=6, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, size=count, p=np.arange(1, classes + 1) / np.arange(1, classes + 1).sum())
    return rng.normal(size=(count, entries)) * 4 + labels[:, None] + 7, labels


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("strength", [0.0, 0.01, 3.0])
def test_the_classifier_is_scikit_learns(classes, strength):
    values, labels = samples(classes)
    found = fit_ridge_classifier(values, labels, strength=strength)
    scaler = StandardScaler().fit(values)
    alpha = max(strength * len(labels), 1e-9)
    known = Known(alpha=alpha, class_weight="balanced").fit(scaler.transform(values), labels)
    decision = known.decision_function(scaler.transform(values))
    scores = found.scores(values)
    np.testing.assert_allclose(scores[:, 1] if classes == 2 else scores, decision, atol=1e-6)
    assert (found.predict(values) == known.predict(scaler.transform(values))).all()


def test_an_entry_that_never_changes_counts_for_nothing():
    values, labels = samples(2)
    still = np.concatenate([values, np.full((len(values), 1), 0.1)], axis=1)
    found = fit_ridge_classifier(still, labels)
    assert found.weights[-1].tolist() == [0, 0]
    np.testing.assert_allclose(found.scores(still), fit_ridge_classifier(values, labels).scores(values), atol=1e-9)


def test_one_class_alone_is_refused():
    with pytest.raises(ValueError, match="two classes"):
        fit_ridge_classifier(np.ones((3, 2)), np.zeros(3, int))


def test_accuracy_is_that_of_folds_of_whole_episodes():
    values, labels = samples(3, count=240)
    episodes = np.repeat(np.arange(12), 20)
    found = probe_encodings({"x": values}, labels, episodes=episodes, frames=episodes, folds=12, shuffles=0)
    predicted = np.empty_like(labels)
    for episode in range(12):
        held_out = episodes == episode
        predicted[held_out] = fit_ridge_classifier(values[~held_out], labels[~held_out]).predict(values[held_out])
    assert found["x"].accuracy == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert np.isnan(found["x"].shuffled)


def test_what_only_tells_the_episode_cannot_be_read():
    """Each episode has a code of its own and a label of its own: with frames of an episode on both sides this would be read perfectly."""
    rng = np.random.default_rng(0)
    episodes = np.repeat(np.arange(20), 30)
    labels, codes = np.repeat(np.arange(20) % 2, 30), rng.normal(size=(20, 40))[episodes]
    found = probe_encodings({"code": codes}, labels, episodes=episodes, frames=np.arange(600), shuffles=0)["code"]
    assert abs(found.accuracy - 0.5) < 0.25
    assert found.high - found.low > 0.2
    mixed = probe_encodings({"code": codes}, labels, episodes=np.arange(600) % 20, frames=np.arange(600), shuffles=0)[
        "code"
    ]
    assert mixed.accuracy == 1.0


def test_shuffled_labels_fall_to_guessing_and_place_is_a_baseline():
    rng = np.random.default_rng(1)
    cells = np.tile(np.arange(16), 30)
    episodes = np.repeat(np.arange(30), 16)
    # Labels follow the place in half of the samples.
    labels = np.where(rng.random(480) < 0.5, cells % 2, rng.integers(0, 2, 480))
    place = position_features(cells // 4, cells % 4, grid=(4, 4))
    found = probe_encodings({"place": place}, labels, episodes=episodes, frames=episodes)["place"]
    assert found.accuracy == pytest.approx(0.75, abs=0.06)
    assert found.low < found.accuracy < found.high
    assert found.shuffled == pytest.approx(0.5, abs=0.06)
    assert (found.chance, found.classes, found.episodes, found.samples) == (0.5, (0, 1), 30, 480)


def test_a_rare_class_counts_like_a_frequent_one():
    """A classifier that always says 0 is right in 90 % of samples, and has 0.5 here."""
    labels = np.tile(np.r_[np.zeros(9, int), 1], 20)
    noise = np.random.default_rng(2).normal(size=(200, 2))
    found = probe_encodings({"noise": noise}, labels, episodes=np.repeat(np.arange(20), 10), frames=np.arange(200))
    assert found["noise"].accuracy == pytest.approx(0.5, abs=0.12)


def test_samples_without_a_label_are_left_out():
    values, labels = samples(2, count=100)
    episodes = np.repeat(np.arange(10), 10)
    untold = np.concatenate([labels, np.full(50, -1)])
    more = np.concatenate([values, np.full((50, 6), 1e6)])
    some = probe_encodings({"x": values}, labels, episodes=episodes, frames=episodes)
    left = probe_encodings({"x": more}, untold, episodes=np.r_[episodes, np.arange(50) + 50], frames=np.arange(150))
    assert some["x"].accuracy == left["x"].accuracy
    assert left["x"].episodes == 10


def test_too_few_episodes_are_refused():
    with pytest.raises(ValueError, match="3 episodes"):
        probe_encodings({"x": np.eye(4)}, np.array([0, 1, 0, 1]), episodes=np.array([0, 0, 1, 1]), frames=np.arange(4))
