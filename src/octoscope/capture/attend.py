"""A whole episode through the policy while we watch: every layer and head, every step, into a run."""

import dataclasses
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tqdm import tqdm
from zarr.abc.store import Store
from zarr.storage import MemoryStore

from octoscope.array_typing import UInt8
from octoscope.capture.observations import EpisodeObservations, episode_task
from octoscope.episodes.episode import Episode
from octoscope.errors import OutputError, SelectionError
from octoscope.octo.action_normalization import unnormalize_actions
from octoscope.octo.model import OctoModel
from octoscope.octo.states import attention_weights, token_pad
from octoscope.runs.run import Run
from octoscope.runs.run_writer import RunWriter
from octoscope.tokens.layout import TokenLayout


def attend(
    model: OctoModel,
    episode: Episode,
    store: str | Path | Store | None = None,
    *,
    steps: Sequence[int] | None = None,
    query_groups: Sequence[str] | None = None,
    instruction: str | None = None,
    goal_images: Mapping[str, UInt8[np.ndarray, "height width 3"]] | None = None,
    seed: int = 0,
    dtype: str = "float16",
    progress: bool = False,
) -> Run:
    """Runs the policy over an episode and returns what it attended to and did.

    Args:
      model: The policy.
      episode: The recording; the policy's actions are predicted, not executed (open loop).
      store: Where the run is written, a path that does not exist yet; in memory by default.
      steps: Steps of the episode, in the order wanted; all by default.
      query_groups: Groups whose attention is kept, at the current timestep; by default every readout and the words that can
        see images (the repeated instruction).
      instruction: Words to use instead of the episode's.
      goal_images: Goal images by camera name.
      seed: Of the action head's noise. The noise of a step depends on the seed and the step alone.
      dtype: Of the stored weights: "float16" (each weight to 3 digits, rows sum to 1 within 1e-3) or "float32".
      progress: Show a progress bar.

    Raises:
      EpisodeError: If policy and episode share no camera, or there is no task.
      SelectionError: If a step or query group does not exist.
      OutputError: If `store` exists already.
    """
    observations = EpisodeObservations(model, episode)
    words, tasks = episode_task(model, episode, instruction=instruction, goal_images=goal_images)
    steps = _check_steps(episode, steps)
    if dtype not in ("float16", "float32"):
        raise ValueError(f"`dtype` must be 'float16' or 'float32', got {dtype!r}.")
    if not 0 <= seed < 2**32:
        raise SelectionError(f"`seed` must be in 0..{2**32 - 1}, got {seed}.")
    if isinstance(store, str | Path) and Path(store).exists():
        raise OutputError(f"{store} exists already. Give a path that does not, or remove it.")
    layout = episode_layout(model, observations, tasks, instruction=words, step=steps[0])
    groups = default_query_groups(layout) if query_groups is None else tuple(query_groups)
    rows = {group: layout.select(group, timestep=-1) for group in groups}
    statistics = _known_statistics(model, episode.dataset)
    manifest = _manifest(model, observations, layout, groups, words, steps, goal_images, seed)
    with RunWriter(MemoryStore() if store is None else store, manifest=manifest) as writer:
        _write_episode(writer, episode, layout)
        for step in tqdm(steps, desc="attend", unit="step", disable=not progress):
            dims = None if statistics is None else len(statistics["mean"])
            arrays = _capture_step(
                model, observations.at(step), tasks, step=step, seed=seed, rows=rows, dtype=dtype, robot_dims=dims
            )
            if statistics is not None:
                robot = unnormalize_actions(arrays["actions"][0], statistics)
                arrays["actions_robot"] = (robot.astype(np.float32), ("horizon", "robot_dim"))
            writer.append_step(arrays)
    return writer.read()


def episode_layout(
    model: OctoModel, observations: EpisodeObservations, tasks: Mapping[str, Any], *, instruction: str, step: int = 0
) -> TokenLayout:
    """Returns the token layout of an episode, with the pieces of the instruction on its language tokens."""
    layout = model.token_layout(observations.at(step), tasks)
    return layout if model.text_processor is None else layout.with_words(model.text_processor.pieces(instruction))


def default_query_groups(layout: TokenLayout) -> tuple[str, ...]:
    """Returns the readouts, then the repeated instruction, whose words can see images."""
    readouts = [span.group for span in layout.spans if span.source.kind == "readout"]
    words = [span.group for span in layout.spans if span.source.repeats is not None]
    return tuple(dict.fromkeys(readouts + words)) or layout.groups[-1:]


def _capture_step(
    model: OctoModel,
    observation: Mapping[str, Any],
    tasks: Mapping[str, Any],
    *,
    step: int,
    seed: int,
    rows: Mapping[str, np.ndarray],
    dtype: str,
    robot_dims: int | None,
) -> dict[str, tuple[np.ndarray, tuple[str, ...]]]:
    query_rows = tuple(int(row) for places in rows.values() for row in places)
    head = "action" if "action" in model.module.heads else next(iter(model.module.heads))
    rng = jax.random.fold_in(jax.random.PRNGKey(seed), step)
    actions, states = model.act(
        observation, tasks, rng=rng, watch=True, query_rows=query_rows, head=head, embodiment_action_dim=robot_dims
    )
    # The cast happens on the device: NumPy is slow on the subnormal numbers that softmax is full of.
    weights = np.asarray(attention_weights(states)[0].astype(dtype))
    arrays: dict[str, tuple[np.ndarray, tuple[str, ...]]] = {}
    start = 0
    for group, places in rows.items():
        arrays[f"attention/{group}"] = (
            weights[:, :, start : start + len(places)],
            ("layer", "head", f"query_{group}", "key"),
        )
        start += len(places)
    arrays["token_pad"] = (np.asarray(token_pad(states)[0]), ("token",))
    arrays["timestep_pad_mask"] = (np.asarray(observation["timestep_pad_mask"][0]), ("window",))
    window = arrays["timestep_pad_mask"][0].shape[0]
    arrays["frame_index"] = (np.maximum(np.arange(step - window + 1, step + 1), 0), ("window",))
    arrays["actions"] = (np.asarray(actions[0]), ("horizon", "dim"))
    return arrays


def _check_steps(episode: Episode, steps: Sequence[int] | None) -> list[int]:
    chosen = [int(step) for step in (range(len(episode)) if steps is None else steps)]
    if not chosen:
        raise SelectionError("`steps` must name at least one step, got none.")
    for step in chosen:
        if not 0 <= step < len(episode):
            raise SelectionError(f"`step` must be in 0..{len(episode) - 1} for {episode.name}, got {step}.")
    return chosen


def _known_statistics(model: OctoModel, dataset: str) -> Mapping[str, Any] | None:
    try:
        return model.action_statistics(dataset)
    except SelectionError:
        return None


def _write_episode(writer: RunWriter, episode: Episode, layout: TokenLayout) -> None:
    for camera in layout.cameras:
        frames = np.asarray(episode.images[camera])
        writer.write_whole(f"frames/{camera}", frames, ("time", f"height_{camera}", f"width_{camera}", "channel"))
    if episode.actions is not None:
        writer.write_whole("recorded_actions", np.asarray(episode.actions), ("time", "recorded_dim"))


def _manifest(
    model: OctoModel,
    observations: EpisodeObservations,
    layout: TokenLayout,
    groups: Sequence[str],
    instruction: str,
    steps: list[int],
    goal_images: Mapping[str, Any] | None,
    seed: int,
) -> dict[str, Any]:
    episode = observations.episode
    return {
        "octoscope_version": version("octoscope"),
        "policy": model.name,
        "policy_note": model.note,
        "policy_step": model.checkpoint.step,
        "policy_sha256": model.checkpoint.digest(),
        "config": model.config,
        "episode": episode.name,
        "episode_length": len(episode),
        "dataset": episode.dataset,
        "instruction": instruction,
        "goal_images": sorted(goal_images or ()),
        "seed": seed,
        "steps": steps,
        "query_groups": list(groups),
        "layout": layout.to_json(),
        "transforms": {camera: dataclasses.asdict(t) for camera, t in observations.transforms.items()},
    }
