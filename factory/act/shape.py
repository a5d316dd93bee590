"""The embedded ACT's shape: LeRobot's own layout, small, with one camera and the state of the hand."""

from typing import Any

from factory.act.pictures import CHUNK
from factory.act.scenes import ACTION_NAMES, STATE_NAMES
from factory.tabletop.camera import PRIMARY_SIZE
from octoscope.policies.act.config import ActConfig
from octoscope.policies.lerobot_folder.features import ACTION, STATE

CAMERA = "primary"
CAMERA_FEATURE = f"observation.images.{CAMERA}"
# Layers of the VAE encoder, which acts in training only.
VAE_LAYERS = 1
KL_WEIGHT = 10.0

ACT = ActConfig(
    cameras=(CAMERA_FEATURE,),
    state_dim=len(STATE_NAMES),
    environment=None,
    action_dim=len(ACTION_NAMES),
    chunk_size=CHUNK,
    backbone="resnet10_eighth",
    # 16 pixels a cell: with 32 the picture would be 4 x 4 cells.
    dilated=True,
    dim_model=64,
    heads=4,
    dim_feedforward=192,
    encoder_layers=2,
    decoder_layers=2,
    latent_dim=8,
)
INPUTS: dict[str, Any] = {
    STATE: {"type": "STATE", "shape": [ACT.state_dim]},
    CAMERA_FEATURE: {"type": "VISUAL", "shape": [3, PRIMARY_SIZE, PRIMARY_SIZE]},
}
OUTPUTS: dict[str, Any] = {ACTION: {"type": "ACTION", "shape": [ACT.action_dim]}}
NORMALIZATION = {"VISUAL": "MEAN_STD", "STATE": "MEAN_STD", "ACTION": "MEAN_STD"}
