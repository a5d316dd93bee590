"""The whole attention matrix of one step, made again when it is wanted rather than stored for every step."""

from collections.abc import Mapping

import numpy as np

from octoscope.array_typing import Float32, UInt8
from octoscope.capture.provenance import episode_digest
from octoscope.episodes.episode import Episode
from octoscope.errors import RunError
from octoscope.policies.bind import bind
from octoscope.policies.episode_plan import BindOptions
from octoscope.policies.noise import Noise
from octoscope.policies.policy_model import HoldsPolicy, PolicyModel, WantedAttention
from octoscope.runs.run import Run


def recompute_attention(
    model: PolicyModel | HoldsPolicy,
    episode: Episode,
    run: Run,
    *,
    step: int,
    goal_images: Mapping[str, UInt8[np.ndarray, "height width 3"]] | None = None,
    observation_keys: Mapping[str, str] | None = None,
) -> Float32[np.ndarray, "layer head query key"]:
    """Returns what every token gives to every token at one step of a run: all layers, heads, rows and keys.

    For octo-base with a wrist camera this is 274 MB, where the rows that a run keeps by default take 7.

    Args:
      model: The policy that the run was made with.
      episode: The episode that the run was made from.
      run: The run; words, window and token layout are taken from it.
      step: Step of the episode that the run holds.
      goal_images: Goal images by camera name, if the run was made with some; it keeps only their names.
      observation_keys: As for `attend`, if the run was made with some.

    Raises:
      RunError: If the run was made with another policy, episode, goal or layout.
      SelectionError: If the run does not hold the step.

    Example:
      >>> import octoscope as osc
      >>> model, episode = osc.OctoModel.load_pretrained("demo"), osc.open_episodes("demo")[0]
      >>> run = osc.attend(model, episode, steps=[4], options=osc.WatchOptions(query_groups="readout"))
      >>> osc.recompute_attention(model, episode, run, step=4).shape
      (4, 4, 198, 198)
    """
    run.index_of(step)
    if sorted(goal_images or ()) != sorted(run.manifest["goal_images"]):
        raise RunError(
            f"The run was made with goal images of {', '.join(run.manifest['goal_images']) or 'no camera'}: give the same ones as "
            "`goal_images`."
        )
    options = BindOptions(run.manifest["instruction"] or None, goal_images, observation_keys, run.layout.window)
    bound = bind(model, episode, options)
    _check_same(run, "policy", run.manifest["policy_sha256"], bound.policy.digest())
    _check_same(run, "episode", run.manifest.get("episode_sha256"), episode_digest(bound))
    if bound.layout != run.layout:
        raise RunError("These inputs give another token layout than the run's: give the same `observation_keys`.")
    stack = run.layout.stack(run.stack.name)
    queries, keys = (run.layout.places(groups) for groups in (stack.query_groups, stack.key_groups))
    wanted = WantedAttention(
        stack.name,
        tuple(int(place) for place in queries),
        tuple(int(place) for place in keys),
        tuple(range(stack.num_layers)),
        (stack.num_passes - 1,),
    )
    watched = bound.policy.watch(bound.at(step), Noise(run.manifest["seed"], step), [wanted])
    return np.asarray(watched.weights[stack.name][0], np.float32)


def _check_same(run: Run, what: str, stored: str | None, given: str) -> None:
    # Runs of format 1 do not say which frames they were made from.
    if stored is not None and stored != given:
        raise RunError(
            f"The run was made with another {what} ({run.manifest[what]}, SHA-256 {stored[:12]}...), the one given has "
            f"{given[:12]}...: its attention would not be the run's."
        )
