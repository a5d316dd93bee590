"""A small card of facts and pictures, for what shows itself in a notebook."""

import base64
import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from octoscope.escaping.html import html_text

_HEIGHT = 96


def html_card(title: str, facts: Mapping[str, str], pictures: Sequence[np.ndarray] = ()) -> str:
    """Returns a title, a line for each fact, and pictures in a row; all text is escaped.

    Args:
      title: One line.
      facts: By what they are of; empty ones are left out.
      pictures: RGB, 0..255, of any size; shown small.

    >>> html_card("Run", {"task": "<b>", "seed": ""})
    '<div><b>Run</b><table><tr><td>task</td><td>&lt;b&gt;</td></tr></table></div>'
    """
    rows = "".join(
        f"<tr><td>{html_text(name)}</td><td>{html_text(fact)}</td></tr>" for name, fact in facts.items() if fact
    )
    shown = "".join(f'<img src="{_data_url(picture)}" style="height:{_HEIGHT}px;margin:2px">' for picture in pictures)
    return f"<div><b>{html_text(title)}</b><table>{rows}</table>{shown}</div>"


def _data_url(picture: np.ndarray) -> str:
    image = Image.fromarray(picture)
    image.thumbnail((4 * _HEIGHT, 2 * _HEIGHT))
    file = io.BytesIO()
    image.save(file, format="JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
