"""What each token of a sequence is called in lists, tables and under the pointer."""

from octoscope.tokens.layout import Token, TokenLayout


def token_names(layout: TokenLayout) -> list[str]:
    """Returns a short name for each token: its group or camera, timestep, and patch, piece or number.

    >>> from octoscope.tokens.token_source import TokenSource
    >>> image = ("obs_primary", 2, TokenSource("image", ("image_primary",), grid=(1, 2)))
    >>> token_names(TokenLayout.assemble([], [image], window=1))
    ['primary t patch (0, 0)', 'primary t patch (0, 1)']
    """
    return [_token_name(token, layout) for token in layout.tokens()]


def timestep_name(layout: TokenLayout, timestep: int | None) -> str:
    """Returns "t" for the current timestep, "t-1" for the one before.

    >>> timestep_name(TokenLayout((), 2), 0)
    't-1'
    """
    back = layout.window - 1 - (timestep or 0)
    return f"t-{back}" if back else "t"


def _token_name(token: Token, layout: TokenLayout) -> str:
    time = "" if token.timestep is None else f" {timestep_name(layout, token.timestep)}"
    if token.row is not None:
        return f"{'+'.join(token.cameras)}{time} patch ({token.row}, {token.column})"
    detail = (token.piece.letters or token.piece.text) if token.piece else (token.number or "")
    return f"{token.group}{time}{f': {detail}' if detail else f' token {token.position}'}"
