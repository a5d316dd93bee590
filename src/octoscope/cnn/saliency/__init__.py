"""What filters of a layer see in a picture, pixel by pixel."""
