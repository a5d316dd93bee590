"""Value-norm weighting: a weight counts for what it moves, so that a large weight on an empty value vector counts little.

Reference: Kobayashi, Kuribayashi, Yokoi & Inui, "Attention is Not Only a Weight: Analyzing Transformers with Vector Norms", EMNLP 2020,
section 2. https://arxiv.org/abs/2004.10102

Their f(x) is the vector that head h moves from key j: its value, bias included, times the head's part of the output projection. The
norms come from whoever runs the policy: `moved_norms` is |f_h(x_j)|, axes (head, key), and must be taken after that projection, since
the value's own norm is not what arrives.
"""

import numpy as np

from octoscope.array_typing import Float


def norm_weighted_attention(
    attention_weights: Float[np.ndarray, "*layer head query key"], moved_norms: Float[np.ndarray, "*layer head key"]
) -> Float[np.ndarray, "*layer head query key"]:
    """Returns the length of what each head moves from each key to each query: weight times norm, |a f(x)|.

    Nothing is renormalised: rows do not sum to 1. Masked keys stay 0, and what was not captured stays NaN.

    Args:
      attention_weights: Weights after mask and softmax.
      moved_norms: |f_h(x_j)|, 0 or more.

    >>> norm_weighted_attention(np.array([[[0.9, 0.1]]]), np.array([[0.1, 2.0]])).round(3)
    array([[[0.09, 0.2 ]]])
    """
    return attention_weights * moved_norms[..., None, :]


def moved_lengths(
    attention_weights: Float[np.ndarray, "head query key"], moved: Float[np.ndarray, "head key embed"]
) -> Float[np.ndarray, "query key"]:
    """Returns the length of what all heads together move from each key to each query, |sum over heads of a f(x)|.

    This is the paper's measure for a whole layer. It is at most the sum of `norm_weighted_attention` over heads: heads that pull in
    opposite directions cancel, which norms alone cannot tell.

    Args:
      attention_weights: Weights after mask and softmax.
      moved: f_h(x_j), the vectors themselves.

    >>> moved_lengths(np.array([[[1.0]], [[1.0]]]), np.array([[[3.0, 0.0]], [[-3.0, 4.0]]]))
    array([[4.]])
    """
    return np.linalg.norm(np.einsum("hqk,hke->qke", attention_weights, moved), axis=-1)
