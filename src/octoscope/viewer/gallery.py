"""A site of several runs: a file for each, and an index that shows them side by side; any web server can give it, or none."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources

from octoscope.errors import SelectionError
from octoscope.escaping.html import html_text
from octoscope.viewer.run_files import RunFiles
from octoscope.viewer.single_file import Exported, export_page

_STYLE = (resources.files("octoscope.viewer") / "gallery.css").read_text(encoding="utf-8")


def site_files(
    opened: Mapping[str, RunFiles], listed: Sequence[Mapping[str, object]], *, queries: Sequence[str] = ()
) -> Iterator[tuple[str, bytes, str]]:
    """Yields the name, content and description of each file of the site, the index last.

    Args:
      opened: What gives the files of each run, rounded, by its name.
      listed: What is told of each run, in the same order.
      queries: Only rows of these token groups, where a run has some.

    Raises:
      RunError: If a run is damaged.
    """
    cards: list[str] = []
    for (name, given), told in zip(opened.items(), listed, strict=True):
        exported: Exported = export_page({name: given}, {"runs": [told]}, queries=queries)
        cards.append(_card(name, given, told))
        yield f"{name}.html", exported.page, exported.contents()
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
        f"<title>octoscope: {len(cards)} runs</title><style>{_STYLE}</style></head><body><h1>{len(cards)} runs</h1>"
        "<p>Each opens the page over one run: what the policy attends to, step by step. Attention alone does not show what an action "
        f"depends on.</p><ul>{''.join(cards)}</ul></body></html>"
    )
    yield "index.html", page.encode(), f"{len(cards)} runs"


def _card(name: str, given: RunFiles, told: Mapping[str, object]) -> str:
    words = f"\u201c{told['instruction']}\u201d" if told.get("instruction") else "no words"
    text = (
        f"<b>{html_text(str(told.get('policy')))}</b>{html_text(words)}<br><small>{html_text(str(told.get('episode')))}"
    )
    return f'<li><a href="{html_text(name)}.html">{_picture(given)}<div>{text}, {len(given.run.steps)} steps</small></div></a></li>'


def _picture(given: RunFiles) -> str:
    run = given.run
    try:
        time = int(run.frame_index(step=run.steps[len(run.steps) // 2])[-1])
        jpeg = given.file(f"frames/0/{time}.jpg").content
    except SelectionError:
        # A policy without cameras.
        return ""
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'
