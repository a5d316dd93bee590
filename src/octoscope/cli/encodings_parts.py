"""The parts of `octoscope encodings`: each writes its folder and says what it found, or what it needs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from octoscope.episodes.episode import Episode
from octoscope.errors import EpisodeError, SelectionError
from octoscope.octo.model import OctoModel
from octoscope.pictures.encoding_results import Findings, write_film_results, write_pair_results, write_word_results
from octoscope.pictures.image_encodings import write_image_encodings
from octoscope.runs.run import Run

PARTS = ("words", "film", "image", "stem")


@dataclass(frozen=True, eq=False)
class EncodingMaterial:
    """What the parts are made from."""

    # One an episode; the first is drawn, the others are what it is compared with.
    runs: Sequence[Run]
    # The first run's episode under another instruction.
    beside: Run | None
    # Of the first episode, that is drawn.
    step: int
    threshold: float
    # Known where a checkpoint was given.
    model: OctoModel | None = None
    episodes: Sequence[Episode] = ()
    # Steps at which channels of the stem are removed; 0 for no interventions.
    stem_places: int = 0
    compare_encoders: bool = False


def write_parts(material: EncodingMaterial, folder: Path, parts: Sequence[str]) -> list[Findings]:
    """Writes parts into folders of their names; one that cannot be made says why, and the others are made all the same.

    Args:
      material: The runs, and the policy where it is known.
      folder: An existing one.
      parts: Of `PARTS`.
    """
    made: list[Findings] = []
    for name, title, write in (
        ("words", "Words on their way", _write_words),
        ("words", "Two instructions side by side", _write_pair),
        ("film", "FiLM", _write_film),
        ("image", "Pictures in the transformer", _write_image),
        ("stem", "The convolutions in front", _write_stem),
    ):
        if name in parts and not (write is _write_pair and material.beside is None):
            made.append(_try(title, write, material, folder, name))
    return made


def _try(
    title: str, write: Callable[[EncodingMaterial, Path], Findings], material: EncodingMaterial, folder: Path, name: str
) -> Findings:
    inside = folder / name
    inside.mkdir(exist_ok=True)
    try:
        found = write(material, inside)
    except (SelectionError, EpisodeError) as error:
        found = Findings(title, (f"Not shown: {error}",))
    if not any(inside.iterdir()):
        inside.rmdir()
    return Findings(title, found.sentences, tuple(f"{name}/{picture}" for picture in found.pictures))


def _write_words(material: EncodingMaterial, folder: Path) -> Findings:
    return write_word_results(material.runs[0], folder, step=material.step, threshold=material.threshold)


def _write_pair(material: EncodingMaterial, folder: Path) -> Findings:
    assert material.beside is not None, "this part is left out without another instruction"
    return write_pair_results(material.runs[0], material.beside, folder, step=material.step)


def _write_film(material: EncodingMaterial, folder: Path) -> Findings:
    return write_film_results(material.runs[0], folder, second=material.beside, step=material.step)


def _write_image(material: EncodingMaterial, folder: Path) -> Findings:
    report = write_image_encodings(material.runs, folder, step=material.step)
    told = (*_figures(report.figures), *report.notes)
    return Findings("", told, tuple(path.name for path in report.files))


def _write_stem(material: EncodingMaterial, folder: Path) -> Findings:
    if material.model is None:
        raise SelectionError(
            "A run does not hold the kernels: give the checkpoint and the dataset, octoscope encodings demo demo."
        )
    # Not above: what reads a run alone needs no jax.
    from octoscope.cli.stem_results import write_encoder_comparison, write_stem_pictures

    at = material.runs[0].steps.index(material.step)
    time = int(material.runs[0].frame_index(step=material.runs[0].steps[at])[-1])
    figures = dict(
        write_stem_pictures(material.model, material.episodes, folder, step=time, places=material.stem_places)
    )
    told = list(_figures(figures))
    if not material.stem_places:
        told.append("What removing a channel does to the action: --stem-effects.")
    if material.compare_encoders:
        told += _figures(write_encoder_comparison(material.model, material.episodes, folder))
    return Findings("", tuple(told), tuple(sorted(path.name for path in folder.glob("*.png"))))


def _figures(figures: Mapping[str, float | str]) -> tuple[str, ...]:
    return tuple(
        f"{name}: {value:.3g}" if isinstance(value, float) else f"{name}: {value}" for name, value in figures.items()
    )
