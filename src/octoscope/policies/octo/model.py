"""The policy as people use it: load a checkpoint, make tasks, run the transformer, sample actions."""

import contextlib
import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from octoscope.checkpoints.checkpoint_folder import folder_name
from octoscope.errors import ObservationError, SelectionError, nearest
from octoscope.policies.normalization_type import NormalizationType
from octoscope.policies.octo.action_normalization import unnormalize_actions, usable_statistics
from octoscope.policies.octo.attention_rules import with_octo_stack
from octoscope.policies.octo.checkpoint.assembly import assemble_module, assemble_text_processor, expected_params
from octoscope.policies.octo.checkpoint.checkpoint import Checkpoint, open_checkpoint
from octoscope.policies.octo.checkpoint.checkpoint_writer import write_checkpoint
from octoscope.policies.octo.checkpoint.load_params import load_params
from octoscope.policies.octo.checkpoint.sources import checkpoint_directory, text_files_beside
from octoscope.policies.octo.checkpoint.statistics import STATISTICS, action_dimensions, find_statistics
from octoscope.policies.octo.finite import check_finite_inputs
from octoscope.policies.octo.network.attention import QueryRows
from octoscope.policies.octo.network.input_shapes import check_leading_axes, check_shapes, named_arrays
from octoscope.policies.octo.network.module import OctoModule
from octoscope.policies.octo.network.tokenizers import Inputs
from octoscope.policies.octo.network.transformer import lay_out
from octoscope.policies.octo.words.instruction_embeddings import EMBEDDINGS_FILE
from octoscope.policies.octo.words.text import TextProcessor, check_vocabulary
from octoscope.policies.parts.jax_device import require_jax
from octoscope.tokens.layout import TokenLayout

if TYPE_CHECKING:
    from octoscope.policies.octo.octo_policy import OctoPolicy

_WATCHED = ["intermediates"]


@dataclass(frozen=True, eq=False, repr=False)
class OctoModel:
    """An Octo policy with its parameters."""

    # Short name for titles.
    name: str
    module: OctoModule
    # Nested dicts of arrays, named as in the checkpoint.
    params: Mapping[str, Any]
    text_processor: TextProcessor | None
    checkpoint: Checkpoint

    @classmethod
    def load_pretrained(cls, checkpoint: str | Path, *, step: int | None = None) -> "OctoModel":
        """Loads a policy from an official-format checkpoint.

        Args:
          checkpoint: A folder, 'hf://owner/name' (also from the hub's local cache), or 'demo' for the embedded policy.
          step: Training step of the parameters; the latest by default.

        Raises:
          CheckpointError: If the checkpoint or a file of it is missing or broken, or its parameters do not fit its config.
          ConfigError: If the config names something that is not known.
          DeviceError: If jax finds no device, or computes in double precision.
        """
        require_jax()
        directory = checkpoint_directory(checkpoint)
        opened = open_checkpoint(directory, step=step)
        module = assemble_module(opened.config, directory)
        text_processor = assemble_text_processor(opened.config, directory)
        check_vocabulary(text_processor, module.text_encoders())
        expected = expected_params(module, opened.example_batch, directory)
        params = load_params(opened.open_params(), expected)
        return cls(folder_name(checkpoint), module, params, text_processor, opened)

    def __repr__(self) -> str:
        """Returns one line; `get_pretty_spec` says more."""
        return repr(self.policy).replace("OctoPolicy", "OctoModel", 1)

    def _repr_html_(self) -> str:
        return self.policy._repr_html_()

    def with_params(self, params: Mapping[str, Any]) -> "OctoModel":
        """Returns the policy with other parameters of the same shapes; nothing is compiled again.

        Args:
          params: Nested as `params`.
        """
        other = dataclasses.replace(self, params=params)
        # Compiled programs take the parameters as an argument.
        other.__dict__.update({name: getattr(self, name) for name in ("_embed", "_run", "_act")})
        return other

    def save_pretrained(self, directory: str | Path, *, step: int | None = None) -> None:
        """Writes the policy as an official-format checkpoint, or adds a step to one of the same policy.

        Tokenizer files that lie beside the checkpoint this policy came from are copied, so that the new folder loads alone.

        Args:
          directory: A new or empty folder, or an earlier save of this policy; then its metadata is kept.
          step: Training step of the parameters; that of the checkpoint by default.

        Raises:
          CheckpointError: If the folder holds another policy, this step, or something else.
          OutputError: If it cannot be written.
        """
        write_checkpoint(
            Path(directory),
            step=self.checkpoint.step if step is None else step,
            config=self.config,
            params=self.params,
            example_batch=self.example_batch,
            dataset_statistics=self.dataset_statistics,
            text_files=text_files_beside(self.config, self.checkpoint.directory),
        )

    @property
    def policy(self) -> "OctoPolicy":
        """This policy as everything takes policies, whatever their family."""
        return self._policy

    @functools.cached_property
    def _policy(self) -> "OctoPolicy":
        from octoscope.policies.octo.octo_policy import OctoPolicy

        return OctoPolicy(self)

    @property
    def config(self) -> dict[str, Any]:
        """The whole training config, with old names brought to today's."""
        return self.checkpoint.config

    @property
    def example_batch(self) -> dict[str, Any]:
        """One example of what the policy was trained on, batch size 1."""
        return self.checkpoint.example_batch

    @property
    def dataset_statistics(self) -> dict[str, Any]:
        """Action statistics per dataset; the key is "" for a policy fine-tuned on one dataset."""
        return self.checkpoint.dataset_statistics

    @property
    def note(self) -> str:
        """What every picture must say about this policy; "" for most."""
        return str(self.config.get("octoscope_note", ""))

    @property
    def window(self) -> int:
        """Timesteps of history the policy was trained with."""
        return self.example_batch["observation"]["timestep_pad_mask"].shape[1]

    @property
    def num_layers(self) -> int:
        """Blocks of the transformer."""
        return self.module.octo_transformer.num_layers

    @property
    def num_heads(self) -> int:
        """Attention heads of each block."""
        return self.module.octo_transformer.num_heads

    @property
    def image_sizes(self) -> dict[str, tuple[int, int]]:
        """(height, width) of each image observation, by its key: {"image_primary": (256, 256)}."""
        observation = self.example_batch["observation"]
        return {key: value.shape[2:4] for key, value in observation.items() if key.startswith("image_")}

    def action_statistics(
        self, dataset: str, *, normalization_type: NormalizationType | None = None
    ) -> Mapping[str, np.ndarray]:
        """Returns the statistics that bring actions back to a dataset's units, checked; `mask` is always among them.

        Args:
          dataset: Name of the dataset ("bridge_dataset").
          normalization_type: What they will be used for; by default what the config says.

        Raises:
          SelectionError: If the policy has none of that dataset.
          CheckpointError: If they cannot be right.
          ConfigError: If the config names a normalisation that is not known.
        """
        statistics = self.dataset_statistics
        entry = find_statistics(statistics, dataset, "action", config=self.config, kind=normalization_type)
        if entry is not None:
            return entry
        others = [name or "(one, without a name)" for name, held in statistics.items() if "action" in held]
        told = f"It has: {', '.join(others)}.{nearest(dataset, others)}" if others else "It has none of any dataset."
        if dataset in statistics:
            held = ", ".join(statistics[dataset]) or "nothing"
            told = f"{STATISTICS} names that dataset, but holds of it: {held}. {told}"
        raise SelectionError(f"The policy has no action statistics of '{dataset}'. {told}")

    def create_tasks(
        self, *, texts: Sequence[str] | None = None, goals: Mapping[str, np.ndarray] | None = None
    ) -> dict[str, Any]:
        """Returns the tasks for instructions, goal images, or both.

        Args:
          texts: One instruction per example.
          goals: Goal arrays by task key, (batch, ...): {"image_primary": (1, 256, 256, 3)}.

        Raises:
          ObservationError: If neither is given, they disagree, or the policy takes no words.
        """
        if texts is None and goals is None:
            raise ObservationError("A task needs `texts`, `goals`, or both; got neither.")
        batch = len(texts) if texts is not None else len(next(iter((goals or {}).values())))
        if goals is not None:
            tasks: dict[str, Any] = {key: np.asarray(value) for key, value in goals.items()}
            lengths = {key: len(value) for key, value in tasks.items()}
            if any(length != batch for length in lengths.values()):
                raise ObservationError(f"`goals` and `texts` must have one entry per example ({batch}), got {lengths}.")
            present = {key: np.ones(batch, bool) for key in goals}
        else:
            tasks = {key: np.zeros((batch, *v.shape[1:]), v.dtype) for key, v in self._example_goals().items()}
            present = {key: np.zeros(batch, bool) for key in tasks}
        if self.text_processor is None:
            if texts is not None:
                raise ObservationError(self._no_words())
        else:
            tasks["language_instruction"] = self.text_processor.encode(texts if texts is not None else [""] * batch)
            present["language_instruction"] = np.full(batch, texts is not None)
        return {**tasks, "pad_mask_dict": present}

    def _no_words(self) -> str:
        told = "This policy takes no words (its config has no text processor): give `goals`."
        if not hasattr(self.example_batch["task"].get("language_instruction"), "shape"):
            return told
        size = self.example_batch["task"]["language_instruction"].shape[1:]
        return (
            f"{told} It reads the instruction as an encoding {size}: lay {EMBEDDINGS_FILE} with `texts` and `embeddings` beside the "
            "checkpoint, and it takes the words that stand there."
        )

    def _example_goals(self) -> dict[str, np.ndarray]:
        task = self.example_batch["task"]
        return {key: value for key, value in task.items() if key not in ("pad_mask_dict", "language_instruction")}

    def with_words(self, layout: TokenLayout, instruction: str) -> TokenLayout:
        """Returns the layout with the pieces of an instruction on its language tokens, and what of it they hold."""
        if self.text_processor is None:
            return layout
        # Without words the tokens are masked, and nothing of an instruction is read or cut.
        reading = self.text_processor.reading(instruction) if instruction else None
        return layout.with_pieces(self.text_processor.word_pieces(instruction), reading)

    def run_transformer(
        self,
        observations: Inputs,
        tasks: Inputs,
        timestep_pad_mask: Array | np.ndarray | None = None,
        *,
        mutable: bool | Sequence[str] = False,
        query_rows: QueryRows = None,
    ) -> Any:
        """Returns all token groups after the last layer, by name; with `mutable=["intermediates"]` also the attention.

        The attention of layer i is at `states["intermediates"]["octo_transformer"]["BlockTransformer_0"]["Transformer_0"]
        ["encoderblock_i"]["MultiHeadDotProductAttention_0"]["attention_weights"][0]`, (batch, head, query, key): after mask and
        softmax, from this very forward.

        Args:
          observations: Arrays with leading (batch, window).
          tasks: From `create_tasks`.
          timestep_pad_mask: (batch, window), True where real; `observations["timestep_pad_mask"]` by default.
          mutable: As in Flax's `apply`; then the result is (outputs, states).
          query_rows: Places in the sequence whose attention is kept; all by default.

        Raises:
          ObservationError: If a shape is not what the policy was made for, or a number is not finite.
        """
        mask = self.check_inputs(observations, tasks, timestep_pad_mask)
        self._check_finite(observations, tasks)
        watch = bool(mutable)
        outputs, states = self._run(self.params, observations, tasks, mask, query_rows=query_rows, watch=watch)
        return (outputs, states) if watch else outputs

    def sample_actions(
        self,
        observations: Inputs,
        tasks: Inputs,
        unnormalization_statistics: Mapping[str, Any] | None = None,
        normalization_type: NormalizationType = NormalizationType.NORMAL,
        timestep_pad_mask: Array | np.ndarray | None = None,
        *,
        argmax: bool = False,
        sample_shape: tuple[int, ...] = (),
        rng: Array | None = None,
        temperature: float = 1.0,
        head: str = "action",
        legacy_random: bool = False,
    ) -> Float[Array | np.ndarray, "*sample batch horizon dim"]:
        """Returns action chunks for the current timestep.

        Args:
          observations: Arrays with leading (batch, window).
          tasks: From `create_tasks`.
          unnormalization_statistics: `model.action_statistics(dataset)` for the robot's units; normalised actions without.
          normalization_type: How the dataset was normalised.
          timestep_pad_mask: (batch, window); `observations["timestep_pad_mask"]` by default.
          argmax: Take the likeliest action, for heads with a distribution over bins.
          sample_shape: Leading axes of independent samples.
          rng: Key of the noise; a diffusion head needs it.
          temperature: Of the distribution over bins.
          head: Which action head.
          legacy_random: Draw the numbers that the official program (jax 0.4.20) draws for the same key.

        Raises:
          ObservationError: If a shape is not what the policy was made for, or a number is not finite.
          ValueError: If the statistics cannot be right.
        """
        statistics = unnormalization_statistics
        if statistics is not None:
            statistics = usable_statistics(statistics, normalization_type)
        actions, _ = self.act(
            observations,
            tasks,
            timestep_pad_mask,
            rng,
            head=head,
            legacy_random=legacy_random,
            argmax=argmax,
            sample_shape=sample_shape,
            temperature=temperature,
            embodiment_action_dim=None if statistics is None else action_dimensions(statistics),
        )
        return actions if statistics is None else unnormalize_actions(actions, statistics, normalization_type)

    def act(
        self,
        observations: Inputs,
        tasks: Inputs,
        timestep_pad_mask: Array | np.ndarray | None = None,
        rng: Array | None = None,
        *,
        watch: bool = False,
        query_rows: QueryRows = None,
        head: str = "action",
        legacy_random: bool = False,
        **sampling: Any,
    ) -> tuple[Float[Array, "*sample batch horizon dim"], Mapping[str, Any]]:
        """Returns normalised actions and, when `watch`, the states of the same forward (see `run_transformer`)."""
        mask = self.check_inputs(observations, tasks, timestep_pad_mask)
        self._check_finite(observations, tasks)
        if head not in self.module.heads:
            raise SelectionError(
                f"The policy has no head '{head}'. It has: {', '.join(self.module.heads)}."
                + nearest(head, self.module.heads)
            )
        random = jax.threefry_partitionable(False) if legacy_random else contextlib.nullcontext()
        sampling = {name: value for name, value in sampling.items() if value is not None}
        with random:
            return self._act(
                self.params,
                observations,
                tasks,
                mask,
                rng,
                watch=watch,
                query_rows=query_rows,
                head=head,
                sampling=tuple(sorted(sampling.items())),
            )

    def token_layout(
        self, observations: Inputs, tasks: Inputs, timestep_pad_mask: Array | np.ndarray | None = None
    ) -> TokenLayout:
        """Returns what every token of the sequence is, for these inputs; nothing is computed, only shapes are followed."""
        mask = self.check_inputs(observations, tasks, timestep_pad_mask)
        outputs = jax.eval_shape(self._embed, self.params, observations, tasks, mask)
        correct = self.config["model"]["use_correct_attention"]
        return with_octo_stack(lay_out(outputs), self.num_layers, self.num_heads, use_correct_attention=correct)

    def check_inputs(
        self, observations: Inputs, tasks: Inputs, timestep_pad_mask: Array | np.ndarray | None = None
    ) -> Array:
        """Returns the timestep pad mask after comparing shapes with those the policy was trained on.

        Raises:
          ObservationError: Naming the input, the shape expected and the shape that came.
        """
        if timestep_pad_mask is None:
            if "timestep_pad_mask" not in observations:
                raise ObservationError("Give `timestep_pad_mask` (batch, window), here or in the observations.")
            timestep_pad_mask = observations["timestep_pad_mask"]
        check_shapes("observation", observations, self.example_batch["observation"], leading=2)
        check_shapes("task", tasks, self.example_batch["task"], leading=1)
        mask = jnp.asarray(timestep_pad_mask)
        check_leading_axes(observations, tasks, mask.shape, known=self.example_batch["observation"])
        return mask

    def _check_finite(self, observations: Inputs, tasks: Inputs) -> None:
        check_finite_inputs("observation", observations, self.example_batch["observation"])
        check_finite_inputs("task", tasks, self.example_batch["task"])

    def get_pretty_spec(self) -> str:
        """Returns the inputs and outputs of the policy as readable text."""
        observation = self.example_batch["observation"]
        lines = [
            f"{self.name}: window {self.window}, step {self.checkpoint.step}",
            "observations (batch, window, ...):",
        ]
        lines += [f"  {key}: {value.shape[2:]} {value.dtype}" for key, value in named_arrays(observation)]
        lines.append("tasks (batch, ...):")
        lines += [
            f"  {key}: {value.shape[1:]} {value.dtype}" for key, value in named_arrays(self.example_batch["task"])
        ]
        lines.append("actions: " + ", ".join(_head_spec(name, head) for name, head in self.module.heads.items()))
        return "\n".join(lines)

    @functools.cached_property
    def _embed(self) -> Any:
        # Blocks leave the groups of the sequence as they are, and take most of the time to trace.
        without_blocks = self.module.clone(octo_transformer=self.module.octo_transformer.clone(num_layers=0))

        def embed(params, observations, tasks, mask):
            return without_blocks.apply(
                {"params": params}, observations, tasks, mask, method=OctoModule.run_transformer
            )

        return jax.jit(embed)

    @functools.cached_property
    def _run(self) -> Any:
        def run(params, observations, tasks, mask, *, query_rows, watch):
            outputs = self.module.apply(
                {"params": params},
                observations,
                tasks,
                mask,
                query_rows=query_rows,
                method=OctoModule.run_transformer,
                mutable=_WATCHED if watch else False,
            )
            return outputs if watch else (outputs, {})

        return jax.jit(run, static_argnames=("query_rows", "watch"))

    @functools.cached_property
    def _act(self) -> Any:
        def act(params, observations, tasks, mask, rng, *, query_rows, watch, head, sampling):
            actions = self.module.apply(
                {"params": params},
                observations,
                tasks,
                mask,
                rng,
                head=head,
                query_rows=query_rows,
                **dict(sampling),
                method=OctoModule.act,
                mutable=_WATCHED if watch else False,
            )
            return actions if watch else (actions, {})

        return jax.jit(act, static_argnames=("query_rows", "watch", "head", "sampling"))


def _head_spec(name: str, head: Any) -> str:
    return f"{name}: {type(head).__name__}, horizon {head.action_horizon}, dimensions {head.action_dim}"
