"""Gradient-weighted relevance: attention that counts only where raising it would raise the target.

Reference: Chefer, Gur & Wolf, "Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder Transformers",
ICCV 2021, equations 5 and 6 (self-attention alone). https://arxiv.org/abs/2103.15679

The gradients come from whoever can differentiate the policy. They are those of ONE number, the target (say, one dimension of one
step of the action), with respect to the attention weights after the softmax, each weight taken for itself: that row's weights are not
held to sum to 1. They have the weights' own axes (layer, head, query, key).
"""

import numpy as np

from octoscope.array_typing import Float


def attention_relevance(
    attention_weights: Float[np.ndarray, "layer head token token"],
    gradients: Float[np.ndarray, "layer head token token"],
) -> Float[np.ndarray, "token token"]:
    """Returns how much each input token contributes to each output token, for the target.

    Each layer adds the mean over heads of the positive part of gradient times weight (the paper's A bar) times all that was
    gathered below: R <- R + A_bar R, from R = identity. The paper's symbols are kept; we leave out its other modalities only.

    Args:
      attention_weights: Weights after mask and softmax, first layer first.
      gradients: Of the target, with respect to these weights.

    Returns:
      Row `q` holds the relevance of every input token to output token `q`, 0 or more; it sums to no fixed number. Each token is
      relevant to itself by 1 at least, which is where R began, and is left out by those who draw maps.

    Raises:
      ValueError: If a weight or gradient is missing (NaN), or the shapes differ.

    >>> weights = np.array([[[[1.0, 0.0], [0.5, 0.5]]]])
    >>> attention_relevance(weights, np.array([[[[0.0, 0.0], [2.0, -1.0]]]]))
    array([[1., 0.],
           [1., 1.]])
    """
    positive = positive_attention(attention_weights, gradients)
    relevance = np.eye(positive.shape[-1])
    for layer in positive:
        relevance = relevance + layer @ relevance
    return relevance


def relevance_row(
    attention_weights: Float[np.ndarray, "layer head token token"],
    gradients: Float[np.ndarray, "layer head token token"],
    query: int,
) -> Float[np.ndarray, " token"]:
    """Returns the query's row of `attention_relevance`, at the cost of vectors instead of matrices.

    Args:
      attention_weights: Weights after mask and softmax, first layer first.
      gradients: Of the target, with respect to these weights.
      query: Place of the output token in the sequence: the readout that the action head reads.

    Raises:
      ValueError: If a weight or gradient is missing (NaN), or the shapes differ.

    >>> weights = np.array([[[[1.0, 0.0], [0.5, 0.5]]]])
    >>> relevance_row(weights, np.array([[[[0.0, 0.0], [2.0, -1.0]]]]), 1)
    array([1., 1.])
    """
    positive = positive_attention(attention_weights, gradients)
    row = np.eye(positive.shape[-1])[query]
    for layer in positive[::-1]:
        row = row + row @ layer
    return row


def positive_attention(
    attention_weights: Float[np.ndarray, "layer head query key"], gradients: Float[np.ndarray, "layer head query key"]
) -> Float[np.ndarray, "layer query key"]:
    """Returns the mean over heads of what is positive of gradient times weight: what of the attention raises the target.

    Rows may be some alone: with what `readout_gradients` gives, this is the relevance of each key to the readout, layer by layer, by the
    direct path.

    Args:
      attention_weights: Weights after mask and softmax.
      gradients: Of the target, with respect to these weights.

    Raises:
      ValueError: If a weight or gradient is missing (NaN), or the shapes differ.

    >>> positive_attention(np.full((1, 2, 1, 2), 0.5), np.array([[[[1.0, -1.0]], [[3.0, -1.0]]]]))
    array([[[1., 0.]]])
    """
    if attention_weights.shape != gradients.shape:
        raise ValueError(
            f"`gradients` must have the shape of `attention_weights`, {attention_weights.shape}, got {gradients.shape}."
        )
    # Layer by layer: the products of a whole stack take half a gigabyte at 12 layers of 600 tokens.
    positive = np.stack(
        [
            np.maximum(of_layer.astype(np.float64) * weights, 0.0).mean(axis=0)
            for weights, of_layer in zip(attention_weights, gradients, strict=True)
        ]
    )
    if np.isnan(positive).any():
        raise ValueError(
            "`attention_weights` and `gradients` must hold every row, key and layer, got NaN for some. "
            "Capture all with query_groups='all' and no choice of keys or layers."
        )
    return positive
