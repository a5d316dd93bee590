"""The MuJoCo model behind the pictures, as XML: a table, four objects that can take any shape, a gripper, an arm.

Nothing in it has mass or touches: every part is moved by hand (mocap). Each object body carries one geom per shape, of
which the renderer shows one. Dark discs under objects and gripper stand in for shadow maps, which cost five times the
time; they also tell how high a thing is.
"""

from collections.abc import Iterable

import numpy as np

from factory.tabletop.camera import PRIMARY_FIELD_OF_VIEW, PRIMARY_PLACE, PRIMARY_SIZE, camera_axes
from octoscope.embedded.table_names import OBJECTS, SHAPES

TABLES = 24
# MuJoCo's type of each shape and its half sizes in units of the object's radius. The outlines differ, not only the
# shading: a cube, a ball, a slim tall cylinder and a broad pyramid. The third number counts only where a type has
# three; the pyramid is a mesh, whose size is fixed when the model is made.
GEOM_TYPES = {"cube": "box", "ball": "sphere", "cylinder": "cylinder", "pyramid": "mesh"}
HALF_SIZES = {
    "cube": (0.86, 0.86, 0.86),
    "ball": (1.0, 1.0, 1.0),
    "cylinder": (0.66, 1.2, 0.0),
    "pyramid": (0.0, 0.0, 0.0),
}
# Height of the geom's centre above the object's base, in units of the radius.
CENTRE_HEIGHTS = {"cube": 0.86, "ball": 1.0, "cylinder": 1.2, "pyramid": 0.0}
PYRAMID_RADIUS = 0.041
# Metres; heights above the point between the fingertips.
FINGER_HEIGHT, PALM_HEIGHT, WRIST_HEIGHT = 0.028, 0.085, 0.125
ARM_BASE, LINK_LENGTH = (0.0, 0.50, 0.06), 0.40
WRIST_FIELD_OF_VIEW = 84
SHADOW = 'rgba="0 0 0 .35"'


def scene_xml(*, samples: int) -> str:
    """Returns the model with every object at the origin; `samples` per pixel smooth its edges."""
    # Near and far planes are given in units of the extent. Left to MuJoCo, the floor would make that some metres and
    # the near plane would cut held objects open before the wrist camera.
    right, up = camera_axes()[:2]
    axes = " ".join(f"{value:.6f}" for value in (*right, *up))
    objects = "".join(_object_xml(index) for index in range(OBJECTS))
    return f"""
<mujoco>
  <compiler autolimits="true"/>
  <visual>
    <global offwidth="{PRIMARY_SIZE}" offheight="{PRIMARY_SIZE}"/>
    <quality shadowsize="0" offsamples="{samples}" numslices="20" numstacks="12"/>
    <headlight ambient=".35 .35 .35" diffuse=".3 .3 .3" specular=".05 .05 .05"/>
    <map znear=".01" zfar="12"/>
  </visual>
  <statistic extent="1"/>
  <asset>
    {_tables_xml()}
    <mesh name="pyramid" vertex="-1 -1 0  1 -1 0  1 1 0  -1 1 0  0 0 1.8" scale="{_numbers([PYRAMID_RADIUS] * 3)}"/>
    <texture name="sky" type="skybox" builtin="gradient" rgb1=".75 .78 .82" rgb2=".45 .47 .5" width="64" height="64"/>
  </asset>
  <worldbody>
    <light name="lamp" pos="0 -.2 1.3" dir="0 .15 -1" diffuse=".6 .6 .6" specular=".1 .1 .1" castshadow="false"/>
    <geom name="floor" type="plane" size="3 3 .1" pos="0 0 -.4" rgba=".42 .41 .40 1"/>
    <geom name="table" type="box" size=".38 .34 .02" pos="0 .02 -.02" material="table_0"/>
    <geom name="base" type="cylinder" size=".05 .05" pos="0 .50 .02" rgba=".25 .25 .28 1"/>
    {objects}
    <body name="gripper_shadow" mocap="true"><geom type="box" size=".058 .034 .0008" {SHADOW}/></body>
    {_robot_xml()}
    <camera name="primary" pos="{" ".join(map(str, PRIMARY_PLACE))}" xyaxes="{axes}" fovy="{PRIMARY_FIELD_OF_VIEW}"/>
  </worldbody>
</mujoco>"""


def _tables_xml() -> str:
    """Returns textures and materials `table_0`, `table_1`, ...: plain, chequered and speckled, all pale."""
    rng = np.random.default_rng(7)
    tables = []
    for index in range(TABLES):
        ground = np.clip(rng.uniform(0.45, 0.85) + rng.uniform(-0.06, 0.06, 3), 0, 1)
        second = np.clip(ground + rng.uniform(-0.08, 0.08), 0, 1)
        pattern = ("flat", "checker", "gradient")[index % 3]
        speckles = f'mark="random" random=".02" markrgb="{_numbers(second)}"' if index % 4 == 0 else ""
        repeat = rng.integers(2, 7) if pattern == "checker" else 1
        tables.append(
            f'<texture name="table_{index}" type="2d" builtin="{pattern}" rgb1="{_numbers(ground)}" '
            f'rgb2="{_numbers(second)}" width="128" height="128" {speckles}/>'
            f'<material name="table_{index}" texture="table_{index}" texrepeat="{repeat} {repeat}" specular=".1"/>'
        )
    return "".join(tables)


def _object_xml(index: int) -> str:
    # A geom that starts at its body's origin is taken to stay there (`sameframe`), so it starts above it.
    geoms = "".join(
        f'<geom name="object_{index}_{shape}" type="{GEOM_TYPES[shape]}" '
        + ('mesh="pyramid"' if shape == "pyramid" else 'size="1 1 1" pos="0 0 1"')
        + "/>"
        for shape in SHAPES
    )
    return (
        f'<body name="object_{index}" mocap="true">{geoms}</body>'
        f'<body name="shadow_{index}" mocap="true"><geom type="cylinder" size=".043 .0008" {SHADOW}/></body>'
    )


def _robot_xml() -> str:
    """Returns palm with wrist camera, two wide fingers and the two links of the arm."""
    return f"""
    <body name="palm" mocap="true">
      <geom type="box" size=".066 .024 .012" rgba=".20 .20 .23 1"/>
      <geom type="cylinder" size=".022 .022" pos="0 0 .03" rgba=".8 .8 .82 1"/>
      <camera name="wrist" pos="0 -.075 0" xyaxes="1 0 0 0 .76 .65" fovy="{WRIST_FIELD_OF_VIEW}"/>
    </body>
    <body name="left_finger" mocap="true"><geom type="box" size=".007 .032 .045" rgba=".14 .14 .16 1"/></body>
    <body name="right_finger" mocap="true"><geom type="box" size=".007 .032 .045" rgba=".14 .14 .16 1"/></body>
    <body name="upper_arm" mocap="true"><geom type="capsule" size=".026 {LINK_LENGTH / 2}" rgba=".85 .85 .87 1"/></body>
    <body name="forearm" mocap="true"><geom type="capsule" size=".020 {LINK_LENGTH / 2}" rgba=".78 .80 .84 1"/></body>"""


def _numbers(values: Iterable[float]) -> str:
    return " ".join(f"{value:.4f}" for value in values)
