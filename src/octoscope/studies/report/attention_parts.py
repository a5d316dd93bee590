"""The parts of a report that read attention: where the readout looks, and how much goes where."""

from collections.abc import Sequence

from octoscope.attention.share_table import share_table
from octoscope.attention.sinks import Sink, sink_rule
from octoscope.faithfulness.method_maps import MethodMaps
from octoscope.runs.findings.kept_finding import FindingRequest
from octoscope.studies.maps import maps_request
from octoscope.studies.report.material import ReportMaterial
from octoscope.views.attention_sheet import attention_sheet
from octoscope.views.method_sheet import method_maps_sheet
from octoscope.views.report_content import ReportFigure, ReportPart, ReportTable
from octoscope.views.share_pictures import share_bars_chart


def attention_finding(material: ReportMaterial) -> FindingRequest:
    """Returns the request for the maps of the drawn step."""
    return maps_request(
        material.folder,
        material.model,
        material.episodes[0],
        [material.step],
        given=material.options,
        seed=material.seed,
        progress=material.progress,
    )


def attention_parts(material: ReportMaterial) -> list[ReportPart]:
    """Returns both parts, from one pass over the drawn episode."""
    (found,) = material.finding(attention_finding(material))
    return [_maps_part(material, found), _shares_part(found)]


def _maps_part(material: ReportMaterial, found: MethodMaps) -> ReportPart:
    run, query = found.run, found.query
    layer = run.layers[-1]
    sheet = attention_sheet(run, step=material.step, layer=layer, query=query)
    return ReportPart(
        "maps",
        "Where does the readout look?",
        f"Attention of {query.label} at step {material.step}, captured in the forward that acted, after mask and "
        "softmax: raw weights, nothing "
        "clipped, sharpened or rescaled. Then what other methods make of the same forward.",
        figures=[
            ReportFigure(
                "attention",
                sheet,
                f"Query row {query.label}, layer {layer} of 0..{run.num_layers - 1}, every head: multiples of even "
                "attention on one log scale, the frame in colour where a patch gets less; each timestep on its own frame. Bars: shares "
                "of all attention that go to words, marks, padding and numbers.",
            ),
            ReportFigure(
                "maps",
                method_maps_sheet(found),
                "Maps through the layers beside raw attention. Each column has its own scale from 0. Dashed outlines: sinks.",
            ),
        ],
        tables=[_sinks(found, found.sinks)] if found.sinks else [],
        findings=[] if found.sinks else ["No token is marked as a sink."],
        shows="How the readout's weights are spread over patches and time at this step, in the policy's own numbers.",
        not_shows="That the action depends on bright patches, or not on dark ones. Maps of several methods differ; "
        "which of them can be trusted is "
        "measured below.",
    )


def _sinks(found: MethodMaps, sinks: Sequence[Sink]) -> ReportTable:
    rows = [
        [
            sink.token,
            str(sink.layer),
            f"{sink.times_uniform:.1f}",
            f"{sink.variation:.2f}",
            "-" if sink.relative_norm is None else f"{sink.relative_norm:.2f}",
        ]
        for sink in sinks
    ]
    head = ["sink", "layer", "times even", "variation over steps", "length of what it moves, over the mean"]
    return ReportTable(head, rows, f"Sinks. {sink_rule(found.run)}")


def _shares_part(found: MethodMaps) -> ReportPart:
    table = share_table(found.run, found.query)
    shares, even = table.shares.mean(axis=(0, 1, 2)), table.uniform.mean(axis=0)
    rows = [
        [name, f"{share:.3f}", f"{uniform:.3f}", f"{share / uniform:.2f}x" if uniform > 0 else "-"]
        for name, share, uniform in zip(table.names, shares, even, strict=True)
    ]
    known = [place for place in range(len(even)) if even[place] > 0]
    most = max(known, key=lambda place: shares[place] / even[place])
    headline = (
        f"Of the readout's attention most over its even part goes to {table.names[most]}: {shares[most]:.2f}, where even attention "
        f"gives {even[most]:.2f}."
    )
    return ReportPart(
        "shares",
        "How much goes where?",
        f"Shares of the whole attention of {found.query.label}, mean over {len(table.steps)} steps, "
        f"{len(table.layers)} layers and all heads. "
        "They sum to 1. A large group has a large share for its size alone: compare with even attention.",
        headline,
        figures=[
            ReportFigure(
                "shares",
                share_bars_chart(found.run, query=found.query, table=table),
                "Shares, layer by layer; marks: even attention.",
            )
        ],
        tables=[ReportTable(["kind of token", "share", "even attention", "ratio"], rows)],
        shows="How much of its attention the readout spends on each camera, timestep, the words, padding and itself.",
        not_shows="Where within a group the weight lies, or that the action depends on a group with a large share: "
        "words with a share near 0 can "
        "decide, by way of the patches.",
    )
