"""A SmolVLA as people use it: load a LeRobot folder, act, and watch what the same forward looks at."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from octoscope.policies.lerobot_folder.policy_folder import open_lerobot_folder
from octoscope.policies.parts.flow_model import FlowModel
from octoscope.policies.parts.text_reader import TextReader, Words, open_text_reader
from octoscope.policies.smolvla.config import VLM_NAME, SmolVlaConfig, read_smolvla_config
from octoscope.policies.smolvla.network import SmolVlaNetwork
from octoscope.policies.smolvla.params import load_smolvla_params

# Around a picture, where the policy has words there.
_AROUND, _WHOLE = "<fake_token_around_image>", "<global-img>"


@dataclass(frozen=True, eq=False)
class SmolVlaModel(FlowModel):
    """A SmolVLA with its parameters."""

    config: SmolVlaConfig
    text: TextReader

    @classmethod
    def load_pretrained(cls, checkpoint: str | Path) -> "SmolVlaModel":
        """Loads a SmolVLA from a LeRobot policy folder; neither torch nor lerobot is needed.

        Args:
          checkpoint: A folder, or 'hf://owner/name' (also from the hub's local cache).

        Raises:
          CheckpointError: If a file is missing or broken, or the weights do not fit the config.
          ConfigError: If it is another kind of policy, or has options that are not read.
        """
        described = cls.described(checkpoint)
        folder = described.folder
        params = load_smolvla_params(folder.weights, described.config, source=str(folder.path / "model.safetensors"))
        return replace(described, params=params)

    @classmethod
    def described(cls, checkpoint: str | Path) -> "SmolVlaModel":
        """Reads all but the parameters: it lays out, prepares and reads words, and cannot act. Raises what `load_pretrained` does."""
        folder = open_lerobot_folder(checkpoint, kind="smolvla")
        config = read_smolvla_config(folder.config, folder.path)
        text = open_text_reader(
            folder,
            name=folder.config.field("vlm_model_name", VLM_NAME),
            max_length=folder.config.field("tokenizer_max_length", 48),
            padding=folder.config.field("pad_language_to", "longest"),
        )
        return cls(folder, {}, config, text)

    @property
    def network(self) -> SmolVlaNetwork:
        """The network."""
        around = (self.text.id_of(_AROUND), self.text.id_of(_WHOLE)) if self.config.special_tokens else None
        return SmolVlaNetwork(self.config, around)

    @property
    def kind(self) -> str:
        """What it is called in errors."""
        return "a SmolVLA"

    def read(self, instruction: str, state: Float32[np.ndarray, " number"]) -> Words:
        """Returns the word pieces of an instruction; the state is a token of its own."""
        return self.text.read_line(instruction)
