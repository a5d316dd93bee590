"""The whole policy as one Flax module: transformer and action heads."""

from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from octoscope.policies.octo.network.attention import QueryRows
from octoscope.policies.octo.network.t5 import T5Config
from octoscope.policies.octo.network.tokenizers import Inputs
from octoscope.policies.octo.network.transformer import Groups, OctoTransformer


class OctoModule(nn.Module):
    """Parameters: `octo_transformer/...` and `heads_NAME/...`."""

    octo_transformer: OctoTransformer
    heads: Mapping[str, nn.Module]

    def __call__(
        self, observations: Inputs, tasks: Inputs, timestep_pad_mask: Array, train: bool = False
    ) -> tuple[Groups, dict[str, Any]]:
        """Runs transformer and heads, which creates every parameter."""
        outputs = self.octo_transformer(observations, tasks, timestep_pad_mask, train=train)
        return outputs, {name: head(outputs, train=train) for name, head in self.heads.items()}

    def text_encoders(self) -> tuple[T5Config, ...]:
        """Returns the sizes of the text encoders that its task tokenizers hold."""
        sizes = (
            getattr(tokenizer, "encoder_config", None) for tokenizer in self.octo_transformer.task_tokenizers.values()
        )
        return tuple(size for size in sizes if size is not None)

    def run_transformer(
        self,
        observations: Inputs,
        tasks: Inputs,
        timestep_pad_mask: Array,
        *,
        readouts: Sequence[str] | None = None,
        query_rows: QueryRows = None,
        hidden_keys: Array | None = None,
        kept_tokens: Array | None = None,
    ) -> Groups:
        """Returns all token groups after the last layer."""
        return self.octo_transformer(
            observations,
            tasks,
            timestep_pad_mask,
            readouts=readouts,
            query_rows=query_rows,
            hidden_keys=hidden_keys,
            kept_tokens=kept_tokens,
        )

    def act(
        self,
        observations: Inputs,
        tasks: Inputs,
        timestep_pad_mask: Array,
        rng: Array | None,
        *,
        head: str = "action",
        query_rows: QueryRows = None,
        hidden_keys: Array | None = None,
        kept_tokens: Array | None = None,
        **sampling: Any,
    ) -> Float[Array, "*sample batch horizon dim"]:
        """Runs the transformer once and one head on it; returns normalised actions of the current timestep."""
        outputs = self.run_transformer(
            observations,
            tasks,
            timestep_pad_mask,
            query_rows=query_rows,
            hidden_keys=hidden_keys,
            kept_tokens=kept_tokens,
        )
        return self.heads[head].predict_action(outputs, rng, **sampling)
