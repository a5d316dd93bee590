"""Linear CKA: how alike two sets of encodings of the same tokens are, whatever their rotation and scale.

References: Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019, section 3,
https://arxiv.org/abs/1905.00414; the debiased estimate of HSIC: Song et al., "Feature Selection via Dependence Maximization", JMLR
2012, equation 4, taken up for CKA by Nguyen et al., "Do Wide and Deep Networks Learn the Same Things?", ICLR 2021,
https://arxiv.org/abs/2010.15327. No matrix of samples by samples is made: with a linear kernel all terms are sums over entries.

What it cannot tell: patches of one frame and frames of one episode are not independent samples, so even the debiased value has no
error bar here; and a few directions of large variance may decide it alone.
"""

from collections.abc import Sequence

import numpy as np

from octoscope.array_typing import Float


def linear_cka(
    some: Float[np.ndarray, "sample embed"], others: Float[np.ndarray, "_ other_embed"], *, debiased: bool = False
) -> float:
    """Returns the linear CKA of two sets of encodings of the same samples: 1 for the same up to rotation and scale.

    The plain value is biased upwards where samples are not many more than entries: independent noise of 100 samples and 128 entries
    has 0.56. The debiased one is then about 0, and may be below it. Take the debiased one, unless you compare with published plain values.

    Args:
      some: One row a sample.
      others: The same samples elsewhere: another layer, another policy.
      debiased: Take the unbiased estimate of HSIC; needs 4 samples.

    Returns:
      0..1, or slightly below 0 when debiased; NaN where one set does not vary.

    Raises:
      ValueError: If the sets have not the same number of samples, or too few.

    >>> some = np.random.default_rng(0).normal(size=(50, 3))
    >>> round(linear_cka(some, 2 * some[:, ::-1]), 6), round(linear_cka(some, 2 * some[:, ::-1], debiased=True), 6)
    (1.0, 1.0)
    """
    if len(some) != len(others) or len(some) < (4 if debiased else 2):
        raise ValueError(
            f"`some` and `others` must hold the same samples, {4 if debiased else 2} or more, got {len(some)} and {len(others)}."
        )
    term = _debiased_term if debiased else _plain_term
    first, second = _centered(some), _centered(others)
    scale = term(first, first) * term(second, second)
    return term(first, second) / float(np.sqrt(scale)) if scale > 0 else float("nan")


def layer_similarity(
    layers: Sequence[Float[np.ndarray, "sample _"]], *, debiased: bool = False
) -> Float[np.ndarray, "layer layer"]:
    """Returns the linear CKA of every pair of layers.

    >>> layer_similarity([np.eye(5), np.eye(5)[::-1]]).shape
    (2, 2)
    """
    table = np.ones((len(layers), len(layers)))
    for first in range(len(layers)):
        for second in range(first + 1, len(layers)):
            table[first, second] = table[second, first] = linear_cka(layers[first], layers[second], debiased=debiased)
    return table


def _centered(encodings: Float[np.ndarray, "sample embed"]) -> Float[np.ndarray, "sample embed"]:
    values = encodings.astype(np.float64)
    return values - values.mean(axis=0)


def _plain_term(first: Float[np.ndarray, "sample embed"], second: Float[np.ndarray, "sample other_embed"]) -> float:
    return float(((first.T @ second) ** 2).sum())


def _debiased_term(first: Float[np.ndarray, "sample embed"], second: Float[np.ndarray, "sample other_embed"]) -> float:
    """Returns the unbiased HSIC of two linear kernels, up to the factor n (n - 3) that CKA divides out.

    With K and L the kernels whose diagonals are set to 0, it is tr(KL) + 1'K1 1'L1 / ((n - 1)(n - 2)) - 2 1'KL1 / (n - 2).
    """
    samples = len(first)
    own, own_two = (first**2).sum(axis=1), (second**2).sum(axis=1)
    rows, rows_two = first @ first.sum(axis=0) - own, second @ second.sum(axis=0) - own_two
    trace = _plain_term(first, second) - float(own @ own_two)
    return (
        trace
        + float(rows.sum() * rows_two.sum()) / ((samples - 1) * (samples - 2))
        - 2.0 * float(rows @ rows_two) / (samples - 2)
    )
