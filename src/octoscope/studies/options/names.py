"""Names that options take, of libraries that are slow to import; a test holds them to what is there."""

FILLS = ("grey", "black", "blur", "surroundings")
# What stands where a cell was: a fill, or its tokens masked.
CELL_FILLS = (*FILLS, "keys")
SALIENCY = ("gradient", "guided", "deconvnet", "smoothgrad", "integrated")
CAMS = ("gradcam", "gradcam++", "layercam", "scorecam", "ablationcam")
CODECS = ("h264", "vp9", "av1")
PICTURE_SCORES = ("detail", "edges", "named object")
