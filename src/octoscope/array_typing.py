"""The names of array axes, explained once; shapes elsewhere use these words and no others.

| axis                  | meaning                                                                          |
|-----------------------|----------------------------------------------------------------------------------|
| `time`                | the steps of a whole episode, in order                                           |
| `step`                | the steps of an episode that a run holds, in order                               |
| `batch`               | independent examples                                                             |
| `window`              | the timesteps of history that the policy sees at once, oldest first              |
| `layer`, `head`       | of the block transformer                                                         |
| `query`, `key`        | tokens that attend, tokens attended to                                           |
| `token`               | all tokens of one sequence                                                       |
| `place`               | tokens of a sequence that a run holds, in order                                  |
| `row`, `column`       | of a patch grid                                                                  |
| `height`, `width`     | of an image, in pixels                                                           |
| `channel`             | of an image or feature map                                                       |
| `filter`              | the channels of a layer, where the image has channels of its own                 |
| `horizon`, `dim`      | future steps of an action chunk; dimensions of one action                        |
| `number`              | of a low-dimensional observation, such as proprioception                         |
| `embed`               | entries of a token's vector                                                      |
| `object`              | the objects on the simulated table                                               |
| `cell`, `measure`     | heads of all layers and stacks in one line; what is measured of each             |
| `patch`, `thing`      | of one frame, row by row; what masks show there                                  |
| `unit`, `draw`        | independent values that a mean is taken of; resamples of them                    |
"""

from jaxtyping import Bool, Float, Float32, Int, UInt8

__all__ = ["Bool", "Float", "Float32", "Int", "UInt8"]
