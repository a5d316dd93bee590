"""Training batches in the policy's own terms, made beside the training by a thread that keeps a few ahead."""

import queue
import threading
from collections.abc import Generator
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from factory.demo.training.losses import Targets
from factory.demo.training.policy_shape import MAX_PIECES
from factory.tabletop.camera import patch_index
from factory.tabletop.state import State, of_object
from factory.tabletop.tasks import PUT_NEXT_TO, Task
from factory.tabletop.training_data import TrainingBatch, TrainingData, sample_batch
from octoscope.array_typing import Float32

GRID = 8
# Brings positions on the table (metres) to about 1.
_REACH = 0.15


def policy_batch(
    batch: TrainingBatch,
    tokenizer: Tokenizer,
    statistics: dict[str, np.ndarray],
    *,
    window: int,
    tasks_per_pair: int = 1,
) -> dict[str, Any]:
    """Returns observations, tasks and targets of the last `window` timesteps; pictures that examples share come once."""
    last = slice(2 - window, 2)
    real = batch.timestep_pad_mask[:, last]
    pictures = {"image_primary": batch.primary, "image_wrist": batch.wrist}
    images = {key: np.ascontiguousarray(whole[::tasks_per_pair, last]) for key, whole in pictures.items()}
    actions = normalize(batch.actions[:, last], statistics)
    place = batch.target_place[:, last]
    facts = [state_facts(state, batch.task) for state in batch.states[last]]
    targets = Targets(
        actions=actions.reshape(*actions.shape[:2], -1),
        patch=patch_index(place, grid=GRID),
        cell=np.clip(place, 0.0, 1.0) * GRID % 1.0,
        state=np.stack(facts, axis=1),
        real=real.astype(np.float32),
    )
    observations = {**images, "timestep_pad_mask": real, "pad_mask_dict": {key: real for key in images}}
    return {"observations": observations, "tasks": text_tasks(batch.instructions, tokenizer), "targets": targets}


def text_tasks(instructions: list[str], tokenizer: Tokenizer) -> dict[str, Any]:
    """Returns the tasks as `OctoModel.create_tasks` makes them."""
    pieces = tokenizer.encode_batch(instructions)
    ids, mask = (np.zeros((len(pieces), MAX_PIECES), np.int32) for _ in range(2))
    for row, encoding in enumerate(pieces):
        assert len(encoding.ids) <= MAX_PIECES, f"{instructions[row]!r} has more than {MAX_PIECES} pieces"
        ids[row, : len(encoding.ids)] = encoding.ids
        mask[row, : len(encoding.ids)] = 1
    return {
        "language_instruction": {"input_ids": ids, "attention_mask": mask},
        "pad_mask_dict": {"language_instruction": np.ones(len(ids), bool)},
    }


def state_facts(state: State, task: Task) -> Float32[np.ndarray, "batch 11"]:
    """Returns hand, target and reference (x, y, z each; the reference only where the task has one), grip, and holding."""
    has_reference = (task.family == PUT_NEXT_TO)[:, None]
    places = [
        state.gripper,
        of_object(state.position, task.target),
        of_object(state.position, task.reference) * has_reference,
    ]
    flags = np.stack([state.opened, state.held == task.target], axis=1)
    return np.concatenate([*(place / _REACH for place in places), flags], axis=1).astype(np.float32)


def normalize(actions: np.ndarray, statistics: dict[str, np.ndarray]) -> np.ndarray:
    """Returns actions in units of their spread, where the statistics' mask says so."""
    scaled = (actions - statistics["mean"]) / np.maximum(statistics["std"], 1e-8)
    return np.where(statistics["mask"], scaled, actions).astype(np.float32)


def action_statistics(data: TrainingData, *, seed: int = 0, pairs: int = 4096) -> dict[str, np.ndarray]:
    """Returns mean, spread and extremes of the expert's actions; rotations are always 0 and left as they are."""
    actions = sample_batch(data, np.random.default_rng(seed), pairs).actions.reshape(-1, 7)
    spread = actions.std(axis=0)
    return {
        "mean": actions.mean(axis=0),
        "std": spread,
        "min": actions.min(axis=0),
        "max": actions.max(axis=0),
        "mask": spread > 0,
    }


def stream_batches(
    data: TrainingData,
    tokenizer: Tokenizer,
    statistics: dict[str, np.ndarray],
    *,
    seed: int,
    batch: int,
    window: int,
    tasks_per_pair: int,
    under_way: float = 0.0,
    carrying: float = 0.0,
    ahead: int = 4,
) -> Generator[dict[str, Any], None, None]:
    """Yields batches without end; closing the iterator ends its thread."""
    rng = np.random.default_rng(seed)
    ready: queue.Queue[dict[str, Any]] = queue.Queue(ahead)
    stopped = threading.Event()

    def fill() -> None:
        while not stopped.is_set():
            drawn = sample_batch(
                data, rng, batch, tasks_per_pair=tasks_per_pair, under_way=under_way, carrying=carrying
            )
            made = policy_batch(drawn, tokenizer, statistics, window=window, tasks_per_pair=tasks_per_pair)
            while not stopped.is_set():
                try:
                    ready.put(made, timeout=0.5)
                    break
                except queue.Full:
                    continue

    thread = threading.Thread(target=fill, daemon=True)
    thread.start()
    try:
        while True:
            yield ready.get()
    finally:
        stopped.set()
