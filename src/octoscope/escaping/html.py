"""Text, and data for scripts, inside an HTML page."""

import html
import json
from typing import Any

from octoscope.escaping.visible import visible


def html_text(text: str) -> str:
    r"""Returns the text for an element or a quoted attribute.

    >>> html_text('<b title="x">\x00')
    '&lt;b title=&quot;x&quot;&gt;\\u0000'
    """
    return html.escape(visible(text))


def html_json(data: Any) -> str:
    r"""Returns the data as JSON for a `<script>` element.

    A script holds text until "</script", but after "<!--<script" it takes that for its own end; without any "<" there is neither.

    Raises:
      ValueError: If a number is not finite, for which JSON has no word.

    >>> html_json({"task": "<!--<script> & \u2028"})
    '{"task":"\\u003c!--\\u003cscript\\u003e \\u0026 \\u2028"}'
    """
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    # None of the three occurs in JSON outside of strings.
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
