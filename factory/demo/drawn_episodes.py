"""Little episodes drawn with flat shapes: a gripper goes to the named object among others, seen by two cameras."""

import itertools

import numpy as np
from PIL import Image, ImageDraw

from octoscope.array_typing import Float, UInt8
from octoscope.episodes.episode import Episode

DATASET = "drawn_table"
COLORS = {"red": (208, 52, 44), "green": (54, 150, 72), "blue": (48, 92, 196), "yellow": (232, 190, 40)}
SHAPES = ("ball", "cube")
# Height and width of the primary camera; not square, like most cameras.
_SIZE = (96, 128)
_WRIST = 64
_TABLE, _WALL, _ARM = (196, 178, 150), (118, 128, 136), (70, 74, 82)
# Drawn larger and shrunk, for soft edges.
_FINE = 4


def drawn_words() -> list[str]:
    """Returns every word of the instructions."""
    return ["pick", "up", "the", *COLORS, *SHAPES]


def drawn_episode(seed: int, *, steps: int = 12) -> Episode:
    """Returns an episode: three objects, one of them named, and a gripper that goes there and lifts it.

    Args:
      seed: Decides objects, places and the start of the gripper.
      steps: Length of the episode.
    """
    rng = np.random.default_rng(seed)
    kinds = list(itertools.product(COLORS, SHAPES))
    chosen = [kinds[i] for i in rng.choice(len(kinds), 3, replace=False)]
    places = np.stack([[x, rng.uniform(0.5, 0.85)] for x in rng.permutation([0.2, 0.5, 0.8])])
    path = _gripper_path(start=np.array([rng.uniform(0.2, 0.8), 0.12]), target=places[0], steps=steps)
    frames, wrist = [], []
    for time in range(steps):
        lifted = places.copy()
        if time >= steps - 3:
            lifted[0] = path[time]
        frame = _draw(chosen, lifted, path[time])
        frames.append(frame)
        wrist.append(_wrist_view(frame, path[time]))
    color, shape = chosen[0]
    return Episode(
        images={"primary": np.stack(frames), "wrist": np.stack(wrist)},
        instruction=f"pick up the {color} {shape}",
        actions=_actions(path),
        name=f"{DATASET}/{seed}",
        dataset=DATASET,
    )


def action_statistics(episodes: list[Episode]) -> dict[str, dict[str, list[float]]]:
    """Returns mean and deviation per action dimension, as a checkpoint stores them."""
    actions = np.concatenate([episode.actions for episode in episodes if episode.actions is not None])
    # Dimensions that never move are not normalised.
    moves = actions.std(axis=0) > 1e-6
    std = np.where(moves, actions.std(axis=0), 1.0)
    return {"action": {"mean": actions.mean(axis=0).tolist(), "std": std.tolist(), "mask": moves.tolist()}}


def _gripper_path(*, start: np.ndarray, target: np.ndarray, steps: int) -> Float[np.ndarray, "time 2"]:
    reach = steps - 3
    along = np.linspace(0.0, 1.0, reach)[:, None] ** 0.8
    down = start + (target - start) * along
    up = target - np.array([0.0, 0.08]) * np.arange(1, steps - reach + 1)[:, None]
    return np.concatenate([down, up])


def _actions(path: Float[np.ndarray, "time 2"]) -> Float[np.ndarray, "time 7"]:
    moves = np.diff(path, axis=0, append=path[-1:])
    actions = np.zeros((len(path), 7), np.float32)
    actions[:, 0], actions[:, 2] = moves[:, 0], -moves[:, 1]
    actions[:, 6] = np.arange(len(path)) < len(path) - 4
    return actions


def _draw(kinds: list[tuple[str, str]], places: np.ndarray, gripper: np.ndarray) -> UInt8[np.ndarray, "height width 3"]:
    height, width = _SIZE[0] * _FINE, _SIZE[1] * _FINE
    canvas = Image.new("RGB", (width, height), _WALL)
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((0, int(0.34 * height), width, height), fill=_TABLE)
    radius = int(0.075 * width)
    for (color, shape), (x, y) in zip(kinds, places, strict=True):
        cx, cy = int(x * width), int(y * height)
        box = (cx - radius, cy - radius, cx + radius, cy + radius)
        (draw.ellipse if shape == "ball" else draw.rectangle)(box, fill=COLORS[color])
    gx, gy = int(gripper[0] * width), int(gripper[1] * height)
    draw.rectangle((gx - radius // 3, 0, gx + radius // 3, gy - radius), fill=_ARM)
    for side in (-1, 1):
        edge = gx + side * radius
        draw.rectangle((edge - 8, gy - radius, edge + 8, gy + radius // 2), fill=_ARM)
    draw.rectangle((gx - radius, gy - radius - 14, gx + radius, gy - radius + 6), fill=_ARM)
    return np.asarray(canvas.resize((_SIZE[1], _SIZE[0]), Image.Resampling.LANCZOS))


def _wrist_view(
    frame: UInt8[np.ndarray, "height width 3"], gripper: np.ndarray
) -> UInt8[np.ndarray, "wrist_height wrist_width 3"]:
    x, y = gripper[0] * _SIZE[1], gripper[1] * _SIZE[0]
    half = 22
    box = (x - half, y - half, x + half, y + half)
    view = Image.fromarray(frame).resize((_WRIST, _WRIST), Image.Resampling.BILINEAR, box=_inside(box))
    return np.asarray(view)


def _inside(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    left, top, right, bottom = box
    dx = max(0.0, -left) - max(0.0, right - _SIZE[1])
    dy = max(0.0, -top) - max(0.0, bottom - _SIZE[0])
    return left + dx, top + dy, right + dx, bottom + dy
