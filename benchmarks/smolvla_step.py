"""Times a SmolVLA step of true size against LeRobot's own: `python benchmarks/smolvla_step.py [ROUNDS] [FOLDER]`.

Weights are random: times do not depend on them. FOLDER is one that `true_size.py` made, by default one that is made for this run (1.1 GB).
LeRobot's column is there where lerobot and torch are installed beside octoscope; both use the processor cores that `taskset` leaves them
(where other work is about, one: torch's threads wait for each other busily), in float32, and begin with normalised frames and words.
"""

import itertools
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from alternating import alternate, print_machine, print_table
from true_size import CAMERAS, FRAME, INSTRUCTION, make_smolvla

from octoscope.policies.parts.flow import FlowInputs
from octoscope.policies.smolvla.config import VLM_NAME
from octoscope.policies.smolvla.model import SmolVlaModel


def lerobot_step(folder: Path, inputs: FlowInputs, noise: np.ndarray):
    """Returns LeRobot's step on the same inputs, and None where it is not installed."""
    try:
        import torch
        from lerobot.configs.policies import PreTrainedConfig
        from lerobot.policies.smolvla import smolvlm_with_expert
        from lerobot.policies.smolvla.modeling_smolvla import SmolVLAPolicy
    except ImportError:
        return None

    class NoProcessor:
        """Stands for the processor of pictures and words, of which the policy takes two ids that it does not use here."""

        class tokenizer:
            fake_image_token_id = global_image_token_id = 0

        @classmethod
        def from_pretrained(cls, name: str):
            return cls

    # XLA takes as many threads as there are cores to run on, which `taskset` says.
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    smolvlm_with_expert.AutoProcessor = NoProcessor
    config = PreTrainedConfig.from_pretrained(folder)
    config.vlm_model_name, config.device = str(folder / VLM_NAME), "cpu"
    policy = SmolVLAPolicy.from_pretrained(folder, config=config).eval()
    batch = {
        name: torch.from_numpy(np.moveaxis(np.asarray(image), -1, 0)[None].copy())
        for name, image in inputs.images.items()
    }
    batch["observation.state"] = torch.from_numpy(np.asarray(inputs.state)[None].copy())
    batch["observation.language.tokens"] = torch.from_numpy(np.asarray(inputs.words)[None].astype(np.int64))
    batch["observation.language.attention_mask"] = torch.from_numpy(np.asarray(inputs.real_words)[None].copy())
    start = torch.from_numpy(noise[None].copy())
    return lambda: policy.predict_action_chunk(batch, noise=start)[0].numpy()


def main(rounds: int = 5, folder: str = "") -> None:
    """Prints the ratios."""
    with tempfile.TemporaryDirectory() as scratch:
        time_steps(rounds, Path(folder) if folder else make_smolvla(Path(scratch) / "smolvla"))


def time_steps(rounds: int, folder: Path) -> None:
    """Prints the ratios of one folder."""
    model = SmolVlaModel.load_pretrained(folder)
    rng = np.random.default_rng(0)
    frames = {camera: rng.integers(0, 256, (*FRAME, 3), np.uint8) for camera in CAMERAS}
    inputs = model.inputs(frames, np.zeros(6, np.float32), INSTRUCTION)
    noise = rng.standard_normal(model.noise_shape, dtype=np.float32)
    masks = model.hide(inputs)
    memory = model.remember(inputs, masks)
    number = itertools.count(1)

    def changed(*cameras: str) -> FlowInputs:
        """Returns the inputs with frames that the policy has not seen, as at every new step."""
        images = dict(inputs.images)
        for camera in cameras:
            images[camera] = images[camera] * np.float32(1 - 1e-3 * (next(number) % 1000))
        return inputs._replace(images=images)

    ways = {
        "step": lambda: model.act(changed(*CAMERAS), noise),
        "step, watched": lambda: model.watch(changed(*CAMERAS), noise),
        "one of two cameras covered": lambda: model.act(changed(CAMERAS[0]), noise),
        "keys hidden from the actions": lambda: model.act_from(memory, inputs, noise, masks),
    }
    official = lerobot_step(folder, inputs, noise)
    if official is not None:
        ways["LeRobot's step"] = official
        gap = np.abs(official() - model.act(inputs, noise)).max()
        print(f"actions differ by {gap:.1e} at most")
    seconds = alternate(ways, rounds=rounds)
    print_machine(rounds)
    print_table(seconds, "step", {"step, watched": 1.05, "one of two cameras covered": 0.6})


if __name__ == "__main__":
    main(*(int(argument) if argument.isdigit() else argument for argument in sys.argv[1:]))
