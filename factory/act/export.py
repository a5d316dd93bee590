"""Turns a training's state into the folder that ships: `python -m factory.act.export PICTURES STATE -o DIR`.

The folder is laid out as LeRobot saves an ACT. The moving average of the parameters is written, the VAE encoder's too, in bfloat16:
half the size; scores are of what is written.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import ml_dtypes
import numpy as np
import tyro
from safetensors.numpy import save

from factory.act.parameters import QUESTION
from factory.act.pictures import load
from factory.act.shape import ACT, CAMERA_FEATURE, INPUTS, KL_WEIGHT, NORMALIZATION, OUTPUTS, VAE_LAYERS
from factory.act.train import Statistics, TrainingState, fresh_state, split, statistics_of
from octoscope.policies.lerobot_folder.features import ACTION, STATE
from octoscope.policies.lerobot_folder.processors import NORMALIZER, POSTPROCESSOR, PREPROCESSOR, RENAME, UNNORMALIZER
from octoscope.policies.parts.params_tree import PREFIX

_EPS = 1e-8


@dataclass(frozen=True)
class Export:
    """Writes a LeRobot policy folder of the trained ACT."""

    # The training pictures, for the statistics.
    pictures: Annotated[Path, tyro.conf.Positional]
    # The training's folder.
    state: Annotated[Path, tyro.conf.Positional]
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]

    def __call__(self) -> None:
        """Writes the folder."""
        write_policy(self.output, read_state(self.state), statistics_of(split(load(self.pictures))[0]))


def read_state(folder: Path) -> TrainingState:
    """Returns the state that a training left in its folder."""
    return fresh_state(seed=0).restore(folder / "state.msgpack")


def write_policy(directory: Path, state: TrainingState, statistics: Statistics) -> None:
    """Writes the folder; what is there already is replaced."""
    directory.mkdir(parents=True, exist_ok=True)
    weights = {
        PREFIX + name: np.asarray(leaf).astype(ml_dtypes.bfloat16)
        for name, leaf in state.average.items()
        if not name.startswith(QUESTION)
    }
    (directory / "model.safetensors").write_bytes(save(weights))
    _write_json(directory / "config.json", config())
    _write_processors(directory, statistics)


def config() -> dict[str, Any]:
    """Returns config.json."""
    return {
        "type": "act",
        "n_obs_steps": 1,
        "input_features": INPUTS,
        "output_features": OUTPUTS,
        "device": "cpu",
        "use_amp": False,
        "chunk_size": ACT.chunk_size,
        "n_action_steps": 1,
        "normalization_mapping": NORMALIZATION,
        "vision_backbone": ACT.backbone,
        "pretrained_backbone_weights": None,
        "replace_final_stride_with_dilation": ACT.dilated,
        "pre_norm": ACT.pre_norm,
        "dim_model": ACT.dim_model,
        "n_heads": ACT.heads,
        "dim_feedforward": ACT.dim_feedforward,
        "feedforward_activation": ACT.activation,
        "n_encoder_layers": ACT.encoder_layers,
        "n_decoder_layers": ACT.decoder_layers,
        "use_vae": True,
        "latent_dim": ACT.latent_dim,
        "n_vae_encoder_layers": VAE_LAYERS,
        "temporal_ensemble_coeff": None,
        "dropout": 0.0,
        "kl_weight": KL_WEIGHT,
        "license": "mit",
    }


def _write_processors(directory: Path, statistics: Statistics) -> None:
    """Writes both pipelines, each with the statistics of everything, as LeRobot does."""
    mean, std = statistics.image
    values = {
        CAMERA_FEATURE: (mean[:, None, None], std[:, None, None]),
        STATE: statistics.hand,
        ACTION: statistics.actions,
    }
    arrays = {
        f"{name}.{part}": each
        for name, pair in values.items()
        for part, each in zip(("mean", "std"), pair, strict=True)
    }
    device = {"registry_name": "device_processor", "config": {"device": "cpu", "float_dtype": None}}
    pipelines = {
        PREPROCESSOR: [
            {"registry_name": RENAME, "config": {"rename_map": {}}},
            {"registry_name": "to_batch_processor", "config": {}},
            device,
            _normalizing(NORMALIZER, {**INPUTS, **OUTPUTS}),
        ],
        POSTPROCESSOR: [_normalizing(UNNORMALIZER, OUTPUTS), device],
    }
    for file, steps in pipelines.items():
        name = file.removesuffix(".json")
        for number, step in enumerate(steps):
            if step["registry_name"] in (NORMALIZER, UNNORMALIZER):
                step["state_file"] = f"{name}_step_{number}_{step['registry_name']}.safetensors"
                (directory / step["state_file"]).write_bytes(save(arrays))
        _write_json(directory / file, {"name": name, "steps": steps})


def _normalizing(name: str, features: dict[str, Any]) -> dict[str, Any]:
    return {"registry_name": name, "config": {"eps": _EPS, "features": features, "norm_map": NORMALIZATION}}


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    tyro.cli(Export)()
