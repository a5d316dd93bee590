"""Linear CKA against the slow definition over matrices of samples by samples, and against what it must not see."""

import numpy as np
import pytest

from octoscope.encodings.layer_similarity import layer_similarity, linear_cka


def slow_hsic(one, two):
    """Biased, over centred kernels: tr(K H L H)."""
    size = len(one)
    center = np.eye(size) - 1 / size
    return np.trace(one @ one.T @ center @ two @ two.T @ center)


def slow_debiased_hsic(one, two):
    """Song et al. 2012, equation 4, with the kernels written out."""
    size, kernel, other = len(one), one @ one.T, two @ two.T
    np.fill_diagonal(kernel, 0)
    np.fill_diagonal(other, 0)
    ones = np.ones(size)
    return (
        np.trace(kernel @ other)
        + (ones @ kernel @ ones) * (ones @ other @ ones) / ((size - 1) * (size - 2))
        - 2 / (size - 2) * (ones @ kernel @ other @ ones)
    )


def slow_cka(one, two, hsic):
    return hsic(one, two) / np.sqrt(hsic(one, one) * hsic(two, two))


@pytest.fixture
def layers():
    rng = np.random.default_rng(1)
    some = rng.normal(size=(40, 7)) + 3
    return some, some[:, :5] @ rng.normal(size=(5, 9)) + rng.normal(size=(40, 9))


def test_plain_value_is_that_of_centred_kernels(layers):
    assert linear_cka(*layers) == pytest.approx(slow_cka(*layers, slow_hsic))


def test_debiased_value_is_that_of_the_unbiased_estimate(layers):
    assert linear_cka(*layers, debiased=True) == pytest.approx(slow_cka(*layers, slow_debiased_hsic))


@pytest.mark.parametrize("debiased", [False, True])
def test_rotation_scale_and_shift_change_nothing(layers, debiased):
    some = layers[0]
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(7, 7)))
    assert linear_cka(some, 5 * some @ turn - 2, debiased=debiased) == pytest.approx(1.0)


def test_noise_of_few_samples_is_alike_only_to_the_plain_value():
    rng = np.random.default_rng(3)
    pairs = [(rng.normal(size=(100, 128)), rng.normal(size=(100, 128))) for _ in range(8)]
    assert np.mean([linear_cka(*pair) for pair in pairs]) == pytest.approx(0.56, abs=0.03)
    assert np.mean([linear_cka(*pair, debiased=True) for pair in pairs]) == pytest.approx(0.0, abs=0.02)


def test_the_table_is_symmetric_and_one_on_its_diagonal(layers):
    table = layer_similarity([*layers, layers[0][:, :2]])
    assert (table == table.T).all()
    assert (np.diag(table) == 1).all()
    assert table[0, 1] == linear_cka(*layers)


def test_a_layer_that_does_not_vary_is_like_nothing():
    assert np.isnan(linear_cka(np.ones((5, 2)), np.eye(5)))


def test_sets_of_other_samples_are_refused():
    with pytest.raises(ValueError, match="same samples"):
        linear_cka(np.eye(5), np.eye(4))
    with pytest.raises(ValueError, match="4 or more"):
        linear_cka(np.eye(3), np.eye(3), debiased=True)
