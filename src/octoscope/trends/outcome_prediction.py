"""Whether attention tells success from failure in tasks that the predictor has not seen, beyond the episode's length."""

from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float
from octoscope.intervals import mean_interval
from octoscope.trends.episode_table import EpisodeTable

RULE = (
    "Outcomes are predicted by ridge regression (penalty 1, of standardised numbers) from episodes of all other tasks, every number "
    "less its mean in its task; the score is the area under the ROC curve within the task left out, where 0.5 is chance. Which task it "
    "is cannot help: it is taken away, and the task is new. Attention is the five measures of heads that differ most in the other tasks."
)
_CHOSEN = 5


@dataclass(frozen=True)
class OutcomePrediction:
    """Area under the ROC curve in held-out tasks: mean over tasks, and 95 % interval."""

    predictor: str
    area: float
    low: float
    high: float
    tasks: int


def predict_outcomes(table: EpisodeTable) -> tuple[OutcomePrediction, ...]:
    """Returns how well length alone, attention alone, and both predict; nothing where fewer than two tasks have both outcomes."""
    outcomes = np.array([np.nan if label.outcome is None else float(label.outcome) for label in table.labels])
    numbers = table.task_numbers
    both = [task for task in range(len(table.tasks)) if {0.0, 1.0} <= {*outcomes[numbers == task].tolist()}]
    if len(both) < 2:
        return ()
    known = np.isin(numbers, both) & ~np.isnan(outcomes)
    tasks, won = numbers[known], outcomes[known]
    attention = table.values[known, 0].reshape(int(known.sum()), -1).astype(np.float64)
    attention = attention[:, ~np.isnan(attention).any(axis=0)]
    length = np.array([label.length for label in table.labels], np.float64)[known, None]
    parts = {
        name: _centred(values, tasks)
        for name, values in (("attention", attention), ("length", length), ("outcome", won[:, None]))
    }
    areas: dict[str, list[float]] = {"episode length": [], "attention": [], "length and attention": []}
    for task in both:
        inside = tasks == task
        differences = np.abs(parts["outcome"][~inside, 0] @ parts["attention"][~inside])
        chosen = np.argsort(-differences / np.maximum(1e-12, parts["attention"][~inside].std(axis=0)))[:_CHOSEN]
        columns = {"episode length": parts["length"], "attention": parts["attention"][:, chosen]}
        columns["length and attention"] = np.concatenate([*columns.values()], axis=1)
        for name, features in columns.items():
            scores = _predicted(features[~inside], parts["outcome"][~inside, 0], features[inside])
            areas[name].append(_area(scores, won[inside]))
    intervals = {name: mean_interval(each, bounds=(0.0, 1.0)) for name, each in areas.items()}
    return tuple(
        OutcomePrediction(name, float(np.mean(each)), *intervals[name], len(each)) for name, each in areas.items()
    )


def _centred(values: Float[np.ndarray, "episode number"], tasks: np.ndarray) -> Float[np.ndarray, "episode number"]:
    centred = values.copy()
    for task in np.unique(tasks):
        centred[tasks == task] -= values[tasks == task].mean(axis=0)
    return centred


def _predicted(known: np.ndarray, outcomes: np.ndarray, asked: np.ndarray) -> np.ndarray:
    scale = np.maximum(known.std(axis=0), 1e-12)
    known, asked = known / scale, asked / scale
    return asked @ np.linalg.solve(known.T @ known + np.eye(known.shape[1]), known.T @ outcomes)


def _area(scores: np.ndarray, won: np.ndarray) -> float:
    """Returns in what part of pairs the success has the higher score; ties count half."""
    apart = scores[won == 1.0][:, None] - scores[won == 0.0][None]
    apart = np.where(np.abs(apart) < 1e-9, 0.0, apart)
    return float((np.sign(apart) / 2 + 0.5).mean())
