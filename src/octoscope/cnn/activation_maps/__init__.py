"""Where on a picture a score comes from, one value per unit of a layer."""
