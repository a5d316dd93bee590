"""`octoscope words`: where each word of the instruction looks, and what each patch gives to each word."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from octoscope.attention.instruction_words import word_queries
from octoscope.attention.maps import captured_spans
from octoscope.attention.patch_words import patch_rows, patch_words
from octoscope.errors import SelectionError
from octoscope.escaping.csv_text import csv_line
from octoscope.escaping.terminal import say
from octoscope.render.view import save_view
from octoscope.runs.run import Run
from octoscope.runs.staged_output import staged_output
from octoscope.studies.options.words import WordsOptions
from octoscope.studies.selection import parse_selection
from octoscope.tokens.layout import instruction_remarks
from octoscope.views.attention_sheet import check_heads
from octoscope.views.words_sheet import (
    largest_patch_share,
    largest_word_weight,
    patch_words_sheet,
    words_sheet,
)

_FOLDER = "words"
_PLACES = ("step", "layer", "head", "camera", "copy", "row", "column")


class Words(WordsOptions):
    """`octoscope words` at work."""

    def __call__(self) -> None:
        """Writes the sheets that the run has the rows for, and says what is missing for the others."""
        run = Run.open(self.run)
        steps, layers = self._steps(run), self._layers(run)
        check_heads(run, None if self.head is None else [self.head])
        missing = self._missing(run)
        if len(missing) == 2:
            raise SelectionError("\n".join(missing.values()))
        with staged_output(self.output, [_FOLDER], overwrite=self.overwrite) as staging:
            folder = staging / _FOLDER
            folder.mkdir()
            if "words" not in missing:
                self._draw_words(run, folder, steps, layers)
            if "patches" not in missing:
                self._draw_patches(run, folder, steps, layers)
                self._write_patches(run, folder / "patches.csv", steps, layers)
        for sentence in (*instruction_remarks(run.layout), *missing.values()):
            say(*sentence.split("\n"))
        say(f"Words and images, {len(steps)} steps, layers {', '.join(map(str, layers))}: {self.output / _FOLDER}")

    def _steps(self, run: Run) -> list[int]:
        if self.steps == "all":
            return list(run.steps)
        return [
            run.steps[run.index_of(step)]
            for step in parse_selection(self.steps, count=run.manifest["episode_length"], what="step")
        ]

    def _layers(self, run: Run) -> list[int]:
        if self.layers is None or self.layers == "all":
            return list(run.layers) if self.layers else [run.layers[-1]]
        return list(run.check_layers(parse_selection(self.layers, count=run.num_layers, what="layer")))

    def _missing(self, run: Run) -> dict[str, str]:
        """Returns why one direction or the other cannot be shown."""
        missing: dict[str, str] = {}
        try:
            row = word_queries(run.layout)[0]
            captured_spans(run.layout, run.key_groups, self.camera)
            if row.group not in run.query_groups:
                missing["words"] = (
                    f"Words to image: the run holds no rows of {row.group}, only of {', '.join(run.query_groups)}. "
                    f"Capture them with `octoscope attend ... --queries {' '.join(run.query_groups)} {row.group}`."
                )
        except SelectionError as error:
            missing["words"] = f"Words to image: {error}"
        try:
            patch_rows(run, self.camera)
            patch_words(run, step=run.steps[0], layer=run.layers[0], camera=self.camera)
        except SelectionError as error:
            missing["patches"] = f"Image to words: {error}"
        return missing

    def _draw_words(self, run: Run, folder: Path, steps: Sequence[int], layers: Sequence[int]) -> None:
        chosen = {"head": self.head, "camera": self.camera, "padding": self.padding}
        for layer in layers:
            top = largest_word_weight(run, layer=layer, **chosen)
            for step in tqdm(steps, desc=f"words, layer {layer}", unit="sheet"):
                sheet = words_sheet(run, step=step, layer=layer, vmax=top, **chosen)
                save_view(sheet, folder / f"step_{step}_layer_{layer}.{self.figure_format}")

    def _draw_patches(self, run: Run, folder: Path, steps: Sequence[int], layers: Sequence[int]) -> None:
        chosen = {"head": self.head, "camera": self.camera, "padding": self.padding}
        for layer in layers:
            top = largest_patch_share(run, layer=layer, **chosen)
            for step in tqdm(steps, desc=f"patches, layer {layer}", unit="sheet"):
                sheet = patch_words_sheet(run, step=step, layer=layer, vmax=top, **chosen)
                save_view(sheet, folder / f"patches_step_{step}_layer_{layer}.{self.figure_format}")

    def _write_patches(self, run: Run, path: Path, steps: Sequence[int], layers: Sequence[int]) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            head = "mean" if self.head is None else str(self.head)
            for step in steps:
                for layer in layers:
                    for found in patch_words(run, step=step, layer=layer, camera=self.camera, padding=self.padding):
                        if file.tell() == 0:
                            file.write(csv_line([*_PLACES, *found.words]))
                        weights = found.weights.mean(axis=0) if self.head is None else found.weights[self.head]
                        for row in range(weights.shape[1]):
                            for column in range(weights.shape[2]):
                                shares = [f"{share:.6g}" for share in weights[:, row, column]]
                                place = [step, layer, head, found.camera, found.copy, row, column]
                                file.write(csv_line([*place, *shares]))
