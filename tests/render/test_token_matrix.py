import numpy as np
import pytest

from octoscope.render.token_matrix import MatrixSpan, render_token_matrix

LANGUAGE, IMAGE, READOUT, PADDED = (86, 133, 184), (92, 166, 118), (204, 51, 68), (222, 223, 226)
SPANS = [
    MatrixSpan("task_language", 0, 16, "language"),
    MatrixSpan("obs_primary t", 16, 64, "image"),
    MatrixSpan("readout_action t", 80, 1, "readout"),
]


def block_mask() -> np.ndarray:
    """Language sees language, the image both, the readout all three."""
    group = np.repeat([0, 1, 2], [16, 64, 1])
    return group[:, None] >= group[None, :]


def matrix_of(picture: np.ndarray, tokens: int, spans: int) -> tuple[np.ndarray, int]:
    """The squares alone and the pixels a token, cut out at the last readout square in the lower right corner."""
    rows, columns = np.nonzero((picture == READOUT).all(axis=-1))
    unit = 12
    side = tokens * unit + spans - 1
    # The readout's row is the only one that is red all the way to the right edge.
    right = columns.max() + 1
    bottom = rows[columns == columns.max()].max() + 1
    return picture[bottom - side : bottom, right - side : right], unit


def test_each_pair_of_tokens_has_the_colour_of_its_query():
    squares, unit = matrix_of(render_token_matrix(block_mask(), spans=SPANS, title="octo"), 81, 3)
    pixel = [index * unit + unit // 2 + (index >= 16) + (index >= 80) for index in range(81)]
    centres = squares[np.ix_(pixel, pixel)]
    colors = np.repeat(np.uint8([LANGUAGE, IMAGE, READOUT]), [16, 64, 1], axis=0)
    expected = np.where(block_mask()[..., None], colors[:, None, :], np.uint8((246, 246, 244)))
    assert (centres == expected).all()


def test_padding_keys_are_hatched_where_the_rule_allows_and_nowhere_else():
    pad = np.zeros(81, bool)
    pad[16:80] = True
    squares, unit = matrix_of(render_token_matrix(block_mask(), spans=SPANS, title="octo", pad=pad), 81, 3)
    image_on_image = squares[20 * unit : 40 * unit, 20 * unit : 40 * unit]
    assert set(map(tuple, image_on_image.reshape(-1, 3).tolist())) == {PADDED, (168, 171, 177)}
    assert (squares[5, 20 * unit] == (246, 246, 244)).all()
    assert (squares[20 * unit, 5] == IMAGE).all()


@pytest.mark.parametrize(("tokens", "unit"), [(178, 6), (562, 2), (690, 2), (800, 1), (3000, 1)])
def test_every_token_has_the_same_whole_number_of_pixels(tokens: int, unit: int):
    spans = [
        MatrixSpan("obs_primary t", 0, tokens - 1, "image"),
        MatrixSpan("readout_action t", tokens - 1, 1, "readout"),
    ]
    picture = render_token_matrix(np.ones((tokens, tokens), bool), spans=spans, title="octo")
    greens = (picture == IMAGE).all(axis=-1).sum(axis=1)
    # Two spans, so one line of one pixel; the strip on the left adds 6.
    assert int(np.bincount(greens[greens > unit]).argmax()) == tokens * unit + 6


def test_a_single_readout_token_stays_visible_and_named():
    spans = [
        MatrixSpan("obs_primary t", 0, 688, "image"),
        MatrixSpan("readout_action t", 688, 1, "readout"),
        MatrixSpan("readout_value t", 689, 1, "other"),
    ]
    picture = render_token_matrix(np.eye(690, dtype=bool), spans=spans, title="octo")
    assert (picture == READOUT).all(axis=-1).sum() >= 4
    # Of the same width, so that nothing but the name differs.
    renamed = [spans[0], MatrixSpan("tuodaer_action t", 688, 1, "readout"), spans[2]]
    assert (picture != render_token_matrix(np.eye(690, dtype=bool), spans=renamed, title="octo")).any()


def test_long_texts_never_overflow():
    spans = [MatrixSpan("obs_primary " * 30, 0, 4, "image"), MatrixSpan("b" * 200, 4, 1, "unknown kind")]
    picture = render_token_matrix(np.ones((5, 5), bool), spans=spans, title="title " * 90, subtitle=["words " * 200])
    for edge in (picture[:12], picture[-12:], picture[:, :12], picture[:, -12:]):
        assert (edge == 255).all()


def test_gaps_overlaps_and_missing_tokens_are_refused():
    mask = np.ones((4, 4), bool)
    for spans in (
        [MatrixSpan("a", 0, 2, "image"), MatrixSpan("b", 3, 1, "image")],
        [MatrixSpan("a", 0, 3, "image"), MatrixSpan("b", 2, 2, "image")],
        [MatrixSpan("a", 0, 0, "image"), MatrixSpan("b", 0, 4, "image")],
        [MatrixSpan("a", 0, 3, "image")],
        [],
    ):
        with pytest.raises(ValueError, match="`spans` must cover"):
            render_token_matrix(mask, spans=spans, title="octo")


def test_a_mask_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match="as many queries as keys, got 3 x 4"):
        render_token_matrix(np.ones((3, 4), bool), spans=[MatrixSpan("a", 0, 4, "image")], title="octo")
