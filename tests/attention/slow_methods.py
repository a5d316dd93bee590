"""Rollout, relevance and flow once more, by their definitions and as slowly as that is: what the fast ones are tested against."""

import itertools

import numpy as np


def mixed(weights, residual):
    tokens = weights.shape[-1]
    return [
        [
            [
                (1 - residual) * sum(weights[layer][head][q][k] for head in range(weights.shape[1])) / weights.shape[1]
                + (residual if q == k else 0.0)
                for k in range(tokens)
            ]
            for q in range(tokens)
        ]
        for layer in range(weights.shape[0])
    ]


def rollout(weights, residual):
    """The sum over all paths, from the last layer's query to the first layer's key, of the product of their weights."""
    layers, tokens = weights.shape[0], weights.shape[-1]
    steps = mixed(weights, residual)
    result = np.zeros((tokens, tokens))
    for path in itertools.product(range(tokens), repeat=layers + 1):
        product = 1.0
        for layer in range(layers):
            product *= steps[layer][path[layer + 1]][path[layer]]
        result[path[-1], path[0]] += product
    return result


def relevance(weights, gradients):
    """The sum over all paths, of any length, through the layers: each layer is either passed by or gone through."""
    layers, heads, tokens = weights.shape[0], weights.shape[1], weights.shape[-1]
    bars = [
        [
            [
                sum(max(0.0, gradients[layer, head, q, k] * weights[layer, head, q, k]) for head in range(heads))
                / heads
                for k in range(tokens)
            ]
            for q in range(tokens)
        ]
        for layer in range(layers)
    ]
    result = np.zeros((tokens, tokens))
    for taken in itertools.product((False, True), repeat=layers):
        used = [layer for layer in range(layers) if taken[layer]]
        for path in itertools.product(range(tokens), repeat=len(used) + 1):
            product = 1.0
            for index, layer in enumerate(used):
                product *= bars[layer][path[index + 1]][path[index]]
            result[path[-1], path[0]] += product
    return result


def flow(weights, query, key, residual):
    """The narrowest of all cuts between query and key: by the max-flow min-cut theorem, the flow."""
    layers, tokens = weights.shape[0], weights.shape[-1]
    steps = mixed(weights, residual)
    nodes = [(level, token) for level in range(layers + 1) for token in range(tokens)]
    others = [node for node in nodes if node not in ((layers, query), (0, key))]
    narrowest = np.inf
    for chosen in itertools.product((False, True), repeat=len(others)):
        above = {node for node, inside in zip(others, chosen, strict=True) if inside} | {(layers, query)}
        width = sum(
            steps[layer][q][k]
            for layer in range(layers)
            for q in range(tokens)
            for k in range(tokens)
            if (layer + 1, q) in above and (layer, k) not in above
        )
        narrowest = min(narrowest, width)
    return narrowest
