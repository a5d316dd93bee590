"""Names that options take, of libraries that are slow to import; a test holds them to what is there."""

FILLS = ("grey", "black", "blur", "surroundings")
# What stands where a cell was: a fill, or its tokens masked.
CELL_FILLS = (*FILLS, "keys")
SALIENCY = ("gradient", "guided", "deconvnet", "smoothgrad", "integrated")
CAMS = ("gradcam", "gradcam++", "layercam", "scorecam", "ablationcam")
CODECS = ("h264", "vp9", "av1")
# How weights become colours.
SCALES = ("even", "linear", "log", "tile")
FIGURE_FORMATS = ("png", "svg", "pdf")
# Kinds of network that are no policies, and endings of picture files.
NETWORKS = ("embedded", "vgg16", "resnet18", "squeezenet")
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
PICTURE_SCORES = ("detail", "edges", "named object")


def figure_files(*names: str) -> tuple[str, ...]:
    """Returns the names of pictures in all formats: what an earlier call may have left.

    >>> figure_files("maps")
    ('maps.png', 'maps.svg', 'maps.pdf')
    """
    return tuple(f"{name}.{ending}" for name in names for ending in FIGURE_FORMATS)
