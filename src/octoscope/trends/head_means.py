"""The means behind a trend, as Parquet: a line for each run, part and head, a column for each measure."""

from pathlib import Path

import numpy as np

from octoscope.render.atomic_path import atomic_path
from octoscope.trends.episode_table import EpisodeTable


def write_head_means(table: EpisodeTable, path: Path) -> None:
    """Writes the table; what is not known is null."""
    import pyarrow
    import pyarrow.parquet

    runs, parts, cells = table.values.shape[:3]
    run, part, cell = (places.ravel() for places in np.indices((runs, parts, cells)))

    def named(names: list[str], places: np.ndarray) -> pyarrow.DictionaryArray:
        texts = [name.encode("utf-8", "backslashreplace").decode() for name in names]
        return pyarrow.DictionaryArray.from_arrays(
            pyarrow.array(places.astype(np.int32)), pyarrow.array(texts, pyarrow.string())
        )

    texts = {
        name: named([str(getattr(label, field)) for label in table.labels], run)
        for name, field in (("run", "path"), ("policy", "policy"), ("episode", "episode"), ("dataset", "dataset"))
    }
    texts |= {
        name: named([str(getattr(label, field)) for label in table.labels], run)
        for name, field in (("task", "task"), ("verb", "verb"), ("object", "thing"))
    }
    outcomes = [label.outcome for label in table.labels]
    columns = {
        **texts,
        "outcome": pyarrow.array([outcomes[at] for at in run], pyarrow.bool_()),
        "part": named(list(table.parts), part),
        "steps": pyarrow.array(table.steps[run, part].astype(np.int32)),
        "stack": named([each[0] for each in table.cells], cell),
        "queries": named([each[1] for each in table.cells], cell),
        "layer": pyarrow.array(np.array([each[2] for each in table.cells], np.int16)[cell]),
        "head": pyarrow.array(np.array([each[3] for each in table.cells], np.int16)[cell]),
    }
    columns |= {
        name: pyarrow.array(table.values[..., at].ravel(), from_pandas=True) for at, name in enumerate(table.measures)
    }
    with atomic_path(path) as file:
        pyarrow.parquet.write_table(pyarrow.table(columns), file)
