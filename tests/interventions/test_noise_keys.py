"""Keys of noise: the action's is that of `attend`, and no draw of one seed is what another seed acts or draws under."""

import itertools

import jax
import numpy as np

from octoscope.policies.noise import Noise
from octoscope.policies.octo.acting import noise_key
from octoscope.policies.parts.redrawn_weights import randomized_params


def test_the_actions_key_is_the_runs():
    assert np.array_equal(noise_key(Noise(5, 3)), jax.random.fold_in(jax.random.PRNGKey(5), 3))


def test_draws_of_different_seeds_and_steps_never_meet():
    places = list(itertools.product((0, 1, 2, 7, 2**32 - 1), (0, 1, 2, 60), range(9)))
    keys = {tuple(np.asarray(noise_key(Noise(seed, step, draw))).tolist()) for seed, step, draw in places}
    assert len(keys) == len(places)


def test_draws_are_not_the_keys_that_a_head_splits_off():
    key = noise_key(Noise(0, 3))
    split = {tuple(np.asarray(part).tolist()) for count in (2, 3, 9) for part in jax.random.split(key, count)}
    folded = {tuple(np.asarray(jax.random.fold_in(key, number)).tolist()) for number in range(64)}
    draws = {tuple(np.asarray(noise_key(Noise(0, 3, draw))).tolist()) for draw in range(1, 9)}
    assert not draws & (split | folded)


def test_weights_drawn_anew_for_different_seeds_have_nothing_in_common():
    params = {"heads_action": {"kernel": np.random.default_rng(9).normal(size=64).astype(np.float32)}}
    first = randomized_params(params, [".*"], seed=0, draw=1)["heads_action"]["kernel"]
    second = randomized_params(params, [".*"], seed=1)["heads_action"]["kernel"]
    again = randomized_params(params, [".*"], seed=0, draw=1)["heads_action"]["kernel"]
    assert np.array_equal(first, again)
    assert not np.isin(first, second).any()
