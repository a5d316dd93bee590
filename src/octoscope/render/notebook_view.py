"""A view that a notebook shows as the last line of a cell."""

from typing import Any


class NotebookView:
    """What sheets and charts inherit."""

    title: str

    def __repr__(self) -> str:
        """Returns its kind and title."""
        return f"<{type(self).__name__} '{self.title}'>"

    def _repr_png_(self) -> bytes:
        # Not above: what draws views knows them.
        from octoscope.render.png import png_bytes
        from octoscope.render.view import draw_view

        view: Any = self
        return png_bytes(draw_view(view))
