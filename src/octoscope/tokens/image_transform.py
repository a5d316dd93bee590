"""From the frame as recorded to the image the policy sees, and back, exactly.

Coordinates are continuous with pixel edges at whole numbers: pixel 0 covers 0..1 and its centre is 0.5 (half-pixel centres).
"""

from dataclasses import dataclass

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class ImageTransform:
    """An axis-aligned map: policy coordinate = recorded coordinate * scale + offset, for (y, x)."""

    recorded_size: tuple[int, int]
    policy_size: tuple[int, int]
    scale: tuple[float, float]
    offset: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def resize(cls, recorded_size: tuple[int, int], policy_size: tuple[int, int]) -> "ImageTransform":
        """Returns the transform of a plain resize, which squashes when the aspect ratios differ.

        >>> ImageTransform.resize((480, 640), (256, 256)).to_recorded((0.0, 128.0, 256.0, 256.0))
        (0.0, 320.0, 480.0, 640.0)
        """
        scale = (policy_size[0] / recorded_size[0], policy_size[1] / recorded_size[1])
        return cls(recorded_size, policy_size, scale)

    def to_recorded(self, box: Box) -> Box:
        """Returns a box (top, left, bottom, right) of the policy's image in pixels of the recorded frame."""
        (sy, sx), (oy, ox) = self.scale, self.offset
        top, left, bottom, right = box
        return ((top - oy) / sy, (left - ox) / sx, (bottom - oy) / sy, (right - ox) / sx)

    @property
    def policy_box(self) -> Box:
        """Where the whole of the policy's image, and so the patch grid, lies on the recorded frame."""
        return self.to_recorded((0.0, 0.0, float(self.policy_size[0]), float(self.policy_size[1])))

    def cell_box(self, grid: tuple[int, int], row: int, column: int) -> Box:
        """Returns the cell of one patch on the recorded frame.

        >>> ImageTransform.resize((100, 200), (256, 256)).cell_box((4, 4), 1, 3)
        (25.0, 150.0, 50.0, 200.0)
        """
        height, width = self.policy_size[0] / grid[0], self.policy_size[1] / grid[1]
        return self.to_recorded((row * height, column * width, (row + 1) * height, (column + 1) * width))
