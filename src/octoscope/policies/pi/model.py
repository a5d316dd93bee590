"""A pi0 or pi0.5 as people use it: load a LeRobot folder, act, and watch what the same forward looks at."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from octoscope.errors import ConfigError
from octoscope.policies.lerobot_folder.policy_folder import open_lerobot_folder
from octoscope.policies.parts.flow_model import FlowModel
from octoscope.policies.parts.text_reader import TextReader, Words, open_text_reader
from octoscope.policies.pi.config import TOKENIZER, PiConfig, read_pi_config, read_sizes
from octoscope.policies.pi.network import PiNetwork
from octoscope.policies.pi.params import load_pi_params, named_weights
from octoscope.policies.pi.state_text import state_text

KINDS = ("pi0", "pi05")


@dataclass(frozen=True, eq=False)
class PiModel(FlowModel):
    """A pi0 or pi0.5 with its parameters."""

    config: PiConfig
    text: TextReader
    # What must be said of how its sizes were told; "" for nothing.
    sizes_remark: str = ""

    @classmethod
    def load_pretrained(cls, checkpoint: str | Path) -> "PiModel":
        """Loads a pi0 or pi0.5 from a LeRobot policy folder; neither torch nor lerobot is needed.

        Args:
          checkpoint: A folder, or 'hf://owner/name' (also from the hub's local cache).

        Raises:
          CheckpointError: If a file is missing or broken, the tokenizer is nowhere, the weights do not fit the config, or are of a
            LeRobot before 0.4.
          ConfigError: If it is another kind of policy, or has options that are not read.
        """
        described = cls.described(checkpoint)
        folder = described.folder
        five, source = described.config.state_in_words, str(folder.path / "model.safetensors")
        weights = named_weights(folder.weights, five=five, source=source)
        return replace(described, params=load_pi_params(weights, described.config, source=source))

    @classmethod
    def described(cls, checkpoint: str | Path) -> "PiModel":
        """Reads all but the parameters: it lays out, prepares and reads words, and cannot act. Raises what `load_pretrained` does."""
        folder = open_lerobot_folder(checkpoint)
        if folder.config.kind not in KINDS:
            raise ConfigError(f"{folder.path} is a policy of type '{folder.config.kind}', neither pi0 nor pi05.")
        five, source = folder.config.kind == "pi05", str(folder.path / "model.safetensors")
        weights = named_weights(folder.weights, five=five, source=source)
        sizes, remark = read_sizes(weights, folder.path, source=source)
        config = read_pi_config(folder.config, sizes)
        text = open_text_reader(
            folder,
            name=TOKENIZER,
            max_length=folder.config.field("tokenizer_max_length", 200 if five else 48),
            padding="max_length",
        )
        return cls(folder, {}, config, text, remark)

    @property
    def network(self) -> PiNetwork:
        """The network."""
        return PiNetwork(self.config)

    @property
    def kind(self) -> str:
        """What it is called in errors."""
        return "a pi0.5" if self.config.state_in_words else "a pi0"

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a user should know of how the network was read."""
        return (self.sizes_remark,) if self.sizes_remark else ()

    def read(self, instruction: str, state: Float32[np.ndarray, " number"]) -> Words:
        """Returns the word pieces of an instruction; of pi0.5, those of the state behind them."""
        if not self.config.state_in_words:
            return self.text.read_line(instruction)
        told = state_text(instruction, state)
        return self.text.read(told.text, told.spoken, state=told.state)
