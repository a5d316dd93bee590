"""All pictures and tables of words and of FiLM into a folder, and what they say in sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from octoscope.encodings.film_conditioning import (
    FILM_POINTS,
    compare_film,
    config_has_film,
    film_effect,
    film_layers,
    film_statement,
)
from octoscope.encodings.instruction_pair import compare_words, group_differences
from octoscope.encodings.word_stages import WORD_POINTS, WordStages, word_stages
from octoscope.encodings.word_table import pair_sentences, word_sentences, word_table
from octoscope.errors import SelectionError
from octoscope.escaping.markdown import markdown_link, markdown_text, markdown_words
from octoscope.pictures.film_pictures import render_film, render_film_pair
from octoscope.pictures.instruction_pair_pictures import action_line, render_instruction_pair
from octoscope.pictures.word_encoding_pictures import render_word_likeness, render_word_paths, render_word_stages
from octoscope.render.image_file import write_png
from octoscope.runs.run import Run

# What words and FiLM are read from; a policy without FiLM has none of its points.
POINTS = (*WORD_POINTS, "blocks.input", *FILM_POINTS)

_ALL, _POLICY = ("T5", "policy"), ("policy",)


@dataclass(frozen=True)
class Findings:
    """One part of the results: a heading, sentences with figures, and the pictures that show them."""

    title: str
    sentences: tuple[str, ...]
    # Names of files beside the text.
    pictures: tuple[str, ...] = ()
    # Names of pages that a browser opens.
    pages: tuple[str, ...] = ()

    def to_markdown(self) -> str:
        """Returns the part as text with its pictures."""
        lines = [
            f"## {markdown_text(self.title)}",
            "",
            *(f"- {markdown_text(sentence)}" for sentence in self.sentences),
        ]
        lines += [f"- Click a patch: [{markdown_words(name)}]({markdown_link(name)})" for name in self.pages]
        return "\n".join([*lines, *(f"\n![{markdown_words(name)}]({markdown_link(name)})" for name in self.pictures)])


def write_word_results(run: Run, folder: str | Path, *, step: int | None = None, threshold: float = 0.9) -> Findings:
    """Writes the word pictures of every copy of the instruction and `words.csv`, and returns what they say.

    Args:
      run: A run with the encodings of `WORD_POINTS`; what it lacks is left out.
      folder: An existing one.
      step: Whose repeated words are drawn; the run's first by default.
      threshold: From which cosine on two words count as merged.

    Raises:
      SelectionError: If the run holds no words, or no encodings of them.
    """
    copies = _copies(run, step)
    sentences: list[str] = []
    pictures: list[str] = []
    for short, words in copies:
        repeated = words is not copies[0][1]
        sentences += word_sentences(words, threshold=threshold, skip=("T5",) if repeated else ())
        if repeated and "policy" not in words.spaces:
            # All copies come from the same T5.
            continue
        for name, render in (
            ("stages", render_word_stages),
            ("likeness", render_word_likeness),
            ("paths", render_word_paths),
        ):
            pictures.append(f"words_{short}_{name}.png")
            write_png(Path(folder) / pictures[-1], render(run, words, spaces=_POLICY if repeated else _ALL))
    word_table([words for _, words in copies]).write(folder, "words")
    return Findings("Words on their way", tuple(sentences), tuple(pictures))


def write_pair_results(
    first: Run, second: Run, folder: str | Path, *, step: int | None = None, other_noise: Run | None = None
) -> Findings:
    """Writes the picture of two instructions side by side, and returns what it says.

    Args:
      first: A run with the encodings of `WORD_POINTS` and "blocks.input".
      second: The same episode and steps under another instruction, and with the same points.
      folder: An existing one.
      step: Whose repeated words are compared; the runs' first by default.
      other_noise: The first run's episode, steps and instruction under another seed: what noise alone does to the action.

    Raises:
      SelectionError: If the runs are not of one policy, or hold other steps.
    """
    _check_alike(first, second, ("policy_sha256", "episode", "seed", "steps"))
    if other_noise is not None:
        _check_alike(first, other_noise, ("policy_sha256", "episode", "instruction", "steps"))
        if other_noise.manifest["seed"] == first.manifest["seed"]:
            raise SelectionError(f"The run of other noise must have another seed than {first.manifest['seed']}.")
    others = dict(_copies(second, step))
    pairs = [compare_words(words, others[short]) for short, words in _copies(first, step) if short in others]
    groups = group_differences(first, second)
    write_png(
        Path(folder) / "instructions.png",
        render_instruction_pair(first, second, pairs, groups, other_noise=other_noise),
    )
    beside = f'"{first.manifest["instruction"]}" beside "{second.manifest["instruction"]}"'
    told = f"{beside}: {action_line(first, second, other_noise=other_noise)}."
    return Findings("Two instructions side by side", (told, *pair_sentences(pairs, groups)), ("instructions.png",))


def write_film_results(run: Run, folder: str | Path, *, second: Run | None = None, step: int | None = None) -> Findings:
    """Writes what every FiLM layer does, and returns it in sentences; where the checkpoint has none, the sentence that says so.

    Args:
      run: A run with the encodings of `FILM_POINTS`.
      folder: An existing one.
      second: The same episode and steps under another instruction.
      step: Of the episode; the run's first by default.

    Raises:
      SelectionError: If the checkpoint has FiLM and the run holds nothing of it.
    """
    if config_has_film(run.policy_config) and not film_layers(run):
        raise SelectionError(film_statement(run))
    sentences, pictures = [film_statement(run)], []
    for layer in film_layers(run):
        effect = film_effect(run, step=step, layer=layer)
        strongest = effect.strongest[:3]
        named = ", ".join(f"{at} (by {effect.moved[at]:.2f})" for at in strongest)
        sentences.append(
            f"{layer}, step {effect.step}: FiLM changes the feature maps by {effect.moved_part:.0%} of their size; "
            f"it moves channels {named} most."
        )
        pictures.append(f"film_{layer}.png")
        write_png(Path(folder) / pictures[-1], render_film(run, effect))
        if second is not None:
            pair = compare_film(effect, film_effect(second, step=step, layer=layer))
            named = ", ".join(f"{at} (by {pair.moved[at]:.2f})" for at in pair.strongest[:3])
            sentences.append(f"{layer}: between the two instructions, channels {named} differ most.")
            pictures.append(f"film_{layer}_instructions.png")
            write_png(Path(folder) / pictures[-1], render_film_pair(run, second, pair))
    return Findings("FiLM", tuple(sentences), tuple(pictures))


def write_findings(folder: str | Path, run: Run, parts: Sequence[Findings]) -> Path:
    """Writes `findings.md`: every part's sentences and pictures, and what they cannot tell; returns its path."""
    manifest = run.manifest
    head = [
        "# Inside the policy",
        "",
        markdown_text(
            f"Policy {manifest['policy']} (step {manifest['policy_step']}, sha256 {manifest['policy_sha256'][:12]}), "
            f'episode {manifest["episode"]}, task "{manifest["instruction"]}", {len(run.steps)} steps, seed {manifest["seed"]}, '
            f"encodings in {manifest['dtype']}."
        ),
        "",
        *([markdown_text(manifest["policy_note"]), ""] if manifest["policy_note"] else []),
        "Encodings say what the policy has made of its inputs, not what its action depends on; `octoscope ablate` and `octoscope language` "
        "test that.",
        "",
    ]
    path = Path(folder) / "findings.md"
    path.write_text("\n".join(head) + "\n" + "\n\n".join(part.to_markdown() for part in parts) + "\n", encoding="utf-8")
    return path


def _copies(run: Run, step: int | None) -> list[tuple[str, WordStages]]:
    """Returns the words in front, and the repeated ones of a policy that has them."""
    found = [("front", word_stages(run, step=step))]
    if any(span.source.repeats is not None for span in run.layout.spans):
        found.append(("repeated", word_stages(run, step=step, copy="repeated")))
    return found


def _check_alike(first: Run, second: Run, names: Sequence[str]) -> None:
    for name in names:
        if first.manifest[name] != second.manifest[name]:
            raise SelectionError(
                f"Runs are compared on the same pictures, but `{name}` is {first.manifest[name]} in one run and "
                f"{second.manifest[name]} in the other."
            )
