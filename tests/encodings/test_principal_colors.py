"""Colours of encodings: the basis against scikit-learn, fixed in sign and scale."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from octoscope.encodings.principal_colors import fit_color_basis


def patches(seed=0):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(12, 12)) * np.linspace(3, 0.1, 12)[:, None]
    return (rng.normal(size=(6, 4, 5, 12)) @ mixing + rng.normal(size=12)).astype(np.float32)


def test_components_shares_and_coordinates_are_those_of_scikit_learn():
    found, flat = fit_color_basis(patches()), patches().reshape(-1, 12).astype(np.float64)
    known = PCA(3, svd_solver="full").fit(flat)
    signs = np.sign((known.components_ * found.components).sum(axis=1))
    np.testing.assert_allclose(found.components, known.components_ * signs[:, None], atol=1e-6)
    np.testing.assert_allclose(found.variance_shares, known.explained_variance_ratio_, rtol=1e-6)
    np.testing.assert_allclose(found.coordinates(flat), known.transform(flat) * signs, atol=1e-5)


def test_the_largest_entry_of_each_component_is_positive():
    components = fit_color_basis(patches()).components
    assert (components[np.arange(3), np.abs(components).argmax(axis=1)] > 0).all()


def test_order_of_frames_changes_no_colour():
    encodings = patches()
    turned = fit_color_basis(encodings[::-1].copy()).colors(encodings)
    assert np.abs(turned.astype(int) - fit_color_basis(encodings).colors(encodings)).max() <= 1


def test_colours_span_the_range_of_what_was_fitted_and_no_further():
    encodings = patches()
    basis = fit_color_basis(encodings)
    colors = basis.colors(encodings)
    assert colors.reshape(-1, 3).min(axis=0).tolist() == [0, 0, 0]
    assert colors.reshape(-1, 3).max(axis=0).tolist() == [255, 255, 255]
    assert basis.beyond(encodings) == 0.0
    assert basis.beyond(10 * encodings) > 0.5


def test_one_frame_alone_has_the_colours_it_has_among_all():
    encodings = patches()
    basis = fit_color_basis(encodings)
    assert (basis.colors(encodings)[2] == basis.colors(encodings[2])).all()


def test_encodings_that_do_not_vary_have_a_colour_all_the_same():
    assert fit_color_basis(np.ones((4, 5))).colors(np.ones((4, 5))).shape == (4, 3)


@pytest.mark.parametrize("wrong", [np.ones((1, 5)), np.ones((4, 2)), np.full((4, 5), np.nan)])
def test_what_has_no_basis_is_refused(wrong):
    with pytest.raises(ValueError, match="encodings"):
        fit_color_basis(wrong)
