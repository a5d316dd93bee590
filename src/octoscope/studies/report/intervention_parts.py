"""The parts of a report that test: something is taken away or replaced, and the policy acts again under the same noise."""

import numpy as np

from octoscope.errors import SelectionError
from octoscope.faithfulness.drop_table import WAYS, DropTable
from octoscope.faithfulness.language_table import LanguageTable
from octoscope.intervals import FEWEST
from octoscope.interventions.descriptions import Intervention
from octoscope.interventions.effects import StepEffects
from octoscope.interventions.step_scene import StepScene
from octoscope.interventions.usual import usual_interventions
from octoscope.policies.abilities import DropsTokens
from octoscope.policies.policy_model import as_policy
from octoscope.runs.findings.kept_finding import FindingRequest
from octoscope.studies.ablate import ablation_request
from octoscope.studies.drop_tokens import drop_request
from octoscope.studies.language import language_request
from octoscope.studies.report.material import ReportMaterial
from octoscope.views.ablation_sheet import ablation_chart
from octoscope.views.drop_pictures import drop_curves_chart, kept_tokens_sheet
from octoscope.views.language_effect import language_effect_chart
from octoscope.views.report_content import ReportFigure, ReportPart, ReportTable

_LANGUAGE = {
    "swapped": "other episodes' instructions",
    "silent": "no instruction",
    "shuffled": "words shuffled",
    "noise": "other noise",
}
DROP_SCORES = ("mean of heads", "rollout", "occlusion", "detail", "edges", "random")
DROP_KEEP = (1.0, 0.75, 0.5, 0.25, 0.1, 0.0)


def ablation_interventions(material: ReportMaterial) -> list[Intervention]:
    """Returns what is taken away at the drawn step.

    Raises:
      SelectionError: If there is nothing.
    """
    scene = StepScene.at(material.model, material.episodes[0], material.step, **vars(material.options))
    asked = usual_interventions(scene)
    if not asked:
        raise SelectionError("The policy is given no camera, no words and no history that could be taken away.")
    return list(asked)


def ablation_finding(material: ReportMaterial) -> FindingRequest:
    """Returns the request for what covering, masking and rewording does to the drawn step."""
    return ablation_request(
        material.folder,
        material.model,
        material.episodes[0],
        {material.step: ablation_interventions(material)},
        given=material.options,
        seed=material.seed,
        batch=material.batch,
        progress=material.progress,
    )


def ablation_part(material: ReportMaterial) -> ReportPart:
    """Returns what covering, masking and rewording does to one step.

    Raises:
      SelectionError: If there is nothing to take away.
    """
    (found,) = material.finding(ablation_finding(material))
    step = material.step
    largest = max(found.effects, key=lambda effect: effect.size)
    beyond = [effect for effect in found.effects if effect.size > found.noise_floor]
    clear = [effect for effect in found.effects if len(effect.controls) and effect.size > effect.controls.max()]
    placed = [effect for effect in found.effects if len(effect.controls)]
    return ReportPart(
        "ablation",
        "What changes the action?",
        f"At step {step}, one thing at a time is covered, masked as keys or reworded, and the whole policy acts again "
        "under the same noise. "
        "Changes of the action chunk are in standard deviations of the dataset's actions.",
        f'The largest change: "{largest.label}" moves the action by {largest.size:.2f}; other noise alone by {found.noise_floor:.2f}.',
        findings=[
            f"{len(beyond)} of {len(found.effects)} interventions change the action more than other noise does on average "
            f"({found.noise_floor:.3f}).",
            f"{len(clear)} of the {len(placed)} that have a random counterpart change it more than every random place "
            "or other word does.",
            *found.notes(),
        ],
        figures=[
            ReportFigure(
                "ablation",
                ablation_chart(found),
                "Each intervention beside its effect, with random places that share at most 5 % of the region "
                "(orange) and the noise floor (blue).",
            )
        ],
        tables=[_effects_table(found)],
        shows="What this action at this step depends on: an effect beyond noise, beyond random places, and under both "
        "fills, is the region's.",
        not_shows="What the policy would do elsewhere, or in a closed loop. Covered pictures are unlike training "
        "pictures. No effect does not mean "
        "unused: places that stand in for each other hide each other.",
    )


def _effects_table(found: StepEffects) -> ReportTable:
    rows = [
        [
            effect.label,
            f"{effect.size:.3f}",
            f"{effect.controls.min():.3f}..{effect.controls.max():.3f}" if len(effect.controls) else "-",
            "-" if np.isnan(effect.direct) else f"{effect.direct:.3f}",
        ]
        for effect in found.effects
    ]
    rows.append(["other noise, mean", f"{found.noise_floor:.3f}", "-", "-"])
    return ReportTable(["intervention", "change", "random places", "hidden from the readout alone"], rows)


def language_finding(material: ReportMaterial) -> FindingRequest:
    """Returns the request for what other words do."""
    return language_request(
        material.folder,
        material.model,
        material.episodes,
        given=material.options,
        steps=material.steps,
        seed=material.seed,
        batch=material.batch,
        progress=material.progress,
    )


def language_part(material: ReportMaterial) -> ReportPart:
    """Returns whether the words matter."""
    found: LanguageTable = material.finding(language_finding(material))
    rows = [[label, str(found.numbers[name])] for name, label in _LANGUAGE.items()]
    share, even = found.numbers["share"], found.numbers["even_share"]
    return ReportPart(
        "language",
        "Do the words matter?",
        "The same frames and noise under other words. Beside it the share of the readout's attention on real words, "
        "which need not go with it.",
        found.sentence(),
        findings=[f"Share of the readout's attention on real words: {share}; even attention gives {even}."],
        figures=[
            ReportFigure(
                "language", language_effect_chart(found), "Change of the action, and the share on words, step by step."
            )
        ],
        tables=[ReportTable(["what is changed", "change of the action (95 % interval over n episodes)"], rows)],
        shows="Whether other words give another action: a change beyond that of other noise is the words' doing.",
        not_shows="That the policy understands the words, or does what they say: another action is not yet the right one.",
    )


def drop_finding(material: ReportMaterial) -> FindingRequest:
    """Returns the request for what leaving image tokens out does."""
    return drop_request(
        material.folder,
        material.model,
        material.episodes,
        given=material.options,
        scores=DROP_SCORES,
        fractions=DROP_KEEP,
        # Where nothing can be taken out of the sequence, nobody looks at it.
        how="remove" if isinstance(as_policy(material.model), DropsTokens) else "mask",
        steps=1,
        seed=material.seed,
        batch=material.batch,
        progress=material.progress,
    )


def drop_part(material: ReportMaterial) -> ReportPart:
    """Returns what leaving image tokens out does."""
    found: DropTable = material.finding(drop_finding(material))
    half = found.fractions.index(0.5)
    errors = {name: row[half] for name, row in zip(found.scores, found.errors, strict=True)}
    best = min((name for name in errors if name != "random"), key=lambda name: errors[name].mean)
    told = (
        f"Half of the image tokens, kept by the best of {len(errors) - 1} scores ({best}): an error of {errors[best].text(2)}; a random "
        f"half: {errors['random'].text(2)}; other noise: {found.noise_floor.text(2)}."
    )
    return ReportPart(
        "drop-tokens",
        "Could the background be left out?",
        f"Error of the action when only the best part of the image tokens {WAYS[found.how].kept}. One step of each episode.",
        found.few if found.episodes < FEWEST else told,
        findings=[part for part in (found.few, found.times.noise) if part],
        figures=[
            ReportFigure(
                "drop_curves", drop_curves_chart(found), "Error against the part that is kept, a panel for each score."
            ),
            ReportFigure("drop_kept", kept_tokens_sheet(found), "The same on one frame: bright patches are kept."),
        ],
        shows="How few image tokens the transformer needs for about the same action, and which scores choose them better than chance.",
        not_shows="That the camera's picture could be cropped: the image encoder still sees all of it. Small errors "
        "may grow in a closed loop.",
    )
