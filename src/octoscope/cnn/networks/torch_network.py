"""Any PyTorch module as a network to look into; needs the extra `[torch]`. Nothing is left behind on the module.

Layers go by module name ("features.24", "layer4.1.conv2"). A module that is called several times has one layer per call:
"layer1.0.relu" is the first, "layer1.0.relu#2" the second. The module runs in eval mode with frozen weights and stops behind the layer
asked for; its modes, its `requires_grad` flags, its gradients and its hooks are as before afterwards, also after an error. Buffers that a
module changes in eval mode, which no standard one does, are its own affair.
"""

import contextlib
import copy
from collections.abc import Callable
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

try:
    import torch  # pyright: ignore[reportMissingImports]
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("PyTorch modules need the extra: pip install 'octoscope[torch]'.") from error
from jaxtyping import Array, Float

from octoscope.cnn.networks.network import Activation, Cut, Edits, Images, Layer, ReluRule, find_layer
from octoscope.cnn.networks.torch_module import (
    ReluRules,
    differentiable,
    laid_out,
    nhwc,
    to_jax,
    undisturbed,
    with_gradients,
)
from octoscope.cnn.networks.vgg16 import MEAN, STD
from octoscope.cnn.networks.weight_randomization import redrawn
from octoscope.errors import SelectionError

Precision = Literal["float32", "bfloat16"]
_KINDS = {
    "Conv2d": "conv",
    "ReLU": "relu",
    "MaxPool2d": "max_pool",
    "Linear": "dense",
    "AdaptiveAvgPool2d": "mean_pool",
}


class _Stop(BaseException):
    """Ends a forward behind the layer that was asked for; no module's own `except Exception` catches it."""


class TorchNetwork:
    """A PyTorch module that takes normalised pictures (batch, 3, height, width); satisfies `Network`."""

    def __init__(
        self,
        module: torch.nn.Module,
        *,
        input_size: tuple[int, int] = (224, 224),
        mean: tuple[float, ...] = MEAN,
        std: tuple[float, ...] = STD,
        name: str | None = None,
        note: str = "",
        class_names: tuple[str, ...] = (),
        precision: Precision = "float32",
    ) -> None:
        """Runs the module once on a black picture to learn its layers.

        Args:
          module: With its weights; kept, not copied, unless they are of half precision or were made in `torch.inference_mode`. Gradients
            of half precision end in zeros where they are small, and tensors of inference have none: then the same weights run in a copy in
            float32, and `note` says so.
          input_size: Height and width of its pictures.
          mean: What it subtracts from each colour, in levels of 0..255; those of torchvision's ImageNet models by default.
          std: What it divides by after that.
          name: For titles; the class by default.
          note: What every picture must say about the weights.
          class_names: Of the channels of the last layer.
          precision: "bfloat16" rounds what convolutions and products take and give to 8 bits of precision, which takes half the time on a
            processor that has instructions for it; pictures say so. The module itself stays as it is.

        Raises:
          SelectionError: If no part of the module gives a map, tokens or a vector.
        """
        self.module, widened = differentiable(module)
        self.name = name or type(module).__name__
        rounded = "convolutions and products in bfloat16" if precision == "bfloat16" else ""
        self.note, self.class_names = "; ".join(part for part in (note, widened, rounded) if part), class_names
        self.precision = precision
        self.input_size, self.mean, self.std = input_size, mean, std
        self.layers = self._found_layers()

    def activation(self, images: Images, layer: str) -> Activation:
        """Returns the output of a layer for images of 0..255."""
        with torch.no_grad():
            return to_jax(self._run_to(find_layer(self, layer).name, self._taken(images), "plain"))

    def pull_back(
        self,
        images: Images,
        layer: str,
        cotangent: Activation,
        relu_rule: ReluRule = "plain",
        edits: Edits | None = None,
    ) -> Images:
        """Returns the cotangent at a layer's output pulled back to the images.

        Raises:
          SelectionError: If there is no such layer, no ReLU for the rule, or `edits` are given, which only `GraphNetwork` takes.
        """
        if edits:
            raise SelectionError("`edits` need a GraphNetwork; a PyTorch module takes none.")
        seen, output = self._tracked(images, find_layer(self, layer).name, relu_rule)
        return nhwc(self._back(seen, output, np.asarray(cotangent)))

    def pull_back_of(self, layer: str, cotangents: Activation, images: Images) -> Callable[[Images], Images]:
        """Returns what pulls the same cotangents at a layer back to one batch of images after another.

        A convolution is affine, so what is asked of its output is brought to its input once, and it never runs.

        Args:
          layer: Name.
          cotangents: One over the layer's activation for each image of a batch.
          images: Any batch of that shape.
        """
        module: Any = dict(self.module.named_modules()).get(layer)
        if not isinstance(module, torch.nn.Conv2d):
            return lambda seen: self.pull_back(seen, layer, cotangents)
        entering = self._run_into(module, self._taken(images))
        with undisturbed(module, lambda _name, output: output), self._rounding(), with_gradients():
            zeros = torch.zeros_like(entering, requires_grad=True)
            before = self._back(zeros, module(zeros), np.asarray(cotangents))

        def pull(images: Images) -> Images:
            with with_gradients():
                seen = self._taken(images, scaled=False).requires_grad_()
                entering = self._run_into(module, self._normal(seen))
                return nhwc(torch.autograd.grad(entering, seen, before)[0])

        return pull

    def watch(
        self, image: Float[Array, "1 height width channel"], layer: str, relu_rule: ReluRule
    ) -> tuple[Array, Callable[..., Array]]:
        """Returns the activation at a layer, and what pulls any number of cotangents back through this one forward."""
        seen, output = self._tracked(image, layer, relu_rule)

        def back(cotangents: Array) -> Array:
            return jnp.concatenate(
                [nhwc(self._back(seen, output, cotangent[None])) for cotangent in np.asarray(cotangents)]
            )

        return to_jax(output.detach()), back

    def forward_to(self, layer: str) -> Cut:
        """Refuses: a PyTorch module cannot run inside jax.

        Raises:
          SelectionError: Always, naming what works instead.
        """
        raise SelectionError(
            f"{self.name} is a PyTorch module and cannot be cut for jax at {layer}. Saliency, feature maps, filter visualisation and "
            "`torch_class_score` take it."
        )

    def layers_with_kernels(self, last: str) -> tuple[str, ...]:
        """Returns the layers up to `last` that have a kernel, in forward order."""
        names = [layer.name for layer in self.layers]
        modules = dict(self.module.named_modules())
        until = names[: names.index(last) + 1]
        return tuple(name for name in until if getattr(getattr(modules.get(name), "weight", None), "ndim", 0) >= 2)

    def randomized(self, layers: tuple[str, ...], seed: int) -> "TorchNetwork":
        """Returns a copy with the kernels of these layers drawn anew and their biases 0; this one's module stays as it is."""
        module = copy.deepcopy(self.module)
        modules = dict(module.named_modules())
        with torch.no_grad():
            for name in layers:
                for part in ("weight", "bias"):
                    array = getattr(modules[name], part, None)
                    if array is not None:
                        drawn = redrawn(array.detach().cpu().numpy(), seed=seed, place=f"{name}/{part}")
                        array.copy_(torch.from_numpy(drawn))
        other = copy.copy(self)
        other.module = module
        return other

    def output_with(self, images: Images, edits: dict[str, torch.Tensor] | None = None) -> torch.Tensor:
        """Returns the last layer's output, with the outputs of some layers replaced on the way."""
        return self._run_to(self.layers[-1].name, self._taken(images), "plain", edits)

    def _found_layers(self) -> tuple[Layer, ...]:
        layers: list[Layer] = []

        def note(name: str, output: Any) -> None:
            shape = tuple(output.shape) if isinstance(output, torch.Tensor) else ()
            if len(shape) not in (2, 3, 4):
                return
            rows, columns, channels = laid_out(shape)
            kind = _KINDS.get(type(modules[name.partition("#")[0]]).__name__, "other")
            layers.append(Layer(name, kind, channels, (rows, columns)))

        modules = dict(self.module.named_modules())
        image = jnp.zeros((1, *self.input_size, len(self.mean)))
        with torch.no_grad():
            self._run(self._taken(image), "plain", lambda name, output: note(name, output))
        if not layers:
            raise SelectionError(f"No part of {self.name} gives a map, tokens or a vector for a picture.")
        return tuple(layers)

    def _tracked(self, images: Images, layer: str, relu_rule: ReluRule) -> tuple[torch.Tensor, torch.Tensor]:
        with with_gradients():
            seen = self._taken(images, scaled=False).requires_grad_()
            return seen, self._run_to(layer, self._normal(seen), relu_rule)

    def _back(self, seen: torch.Tensor, output: torch.Tensor, cotangent: np.ndarray) -> torch.Tensor:
        laid_out = torch.from_numpy(np.array(cotangent)).to(output)
        weights = (
            laid_out.permute(0, 3, 1, 2).reshape(output.shape) if output.ndim == 4 else laid_out.reshape(output.shape)
        )
        with with_gradients():
            return torch.autograd.grad(output, seen, weights, retain_graph=True)[0]

    def _run_to(
        self, layer: str, seen: torch.Tensor, relu_rule: ReluRule, edits: dict[str, torch.Tensor] | None = None
    ) -> torch.Tensor:
        outputs: list[torch.Tensor] = []

        def stop(name: str, output: Any) -> Any:
            if edits and name in edits:
                output = edits[name].to(output)
            if name == layer:
                # A copy: the module that comes next may change this one in place.
                outputs.append(output.clone())
                raise _Stop
            return output

        with contextlib.suppress(_Stop):
            relus = self._run(seen, relu_rule, stop)
            raise SelectionError(f"The module was not called as before: {layer} never ran ({relus} ReLUs did).")
        return outputs[0]

    def _run_into(self, module: torch.nn.Module, seen: torch.Tensor) -> torch.Tensor:
        """Returns what the first call of a part of the module takes; the part itself does not run."""
        entering: list[torch.Tensor] = []

        def stop(_module: Any, inputs: tuple[torch.Tensor, ...]) -> None:
            entering.append(inputs[0])
            raise _Stop

        hook = module.register_forward_pre_hook(stop)
        try:
            with contextlib.suppress(_Stop):
                self._run(seen, "plain", lambda _name, output: output)
                raise SelectionError(f"The module was not called as before: a {type(module).__name__} never ran.")
        finally:
            hook.remove()
        return entering[0]

    def _rounding(self) -> contextlib.AbstractContextManager[Any]:
        if self.precision == "float32":
            return contextlib.nullcontext()
        first = next(self.module.parameters(), torch.zeros(()))
        return torch.autocast(first.device.type, dtype=torch.bfloat16)

    def _run(self, seen: torch.Tensor, relu_rule: ReluRule, on_output: Callable[[str, Any], Any]) -> int:
        rules = ReluRules(relu_rule)
        with undisturbed(self.module, on_output), self._rounding(), rules:
            try:
                self.module(seen)
            except _Stop:
                if relu_rule != "plain" and not rules.seen:
                    raise SelectionError(
                        f"No ReLU of {self.name} was seen before the layer, so '{relu_rule}' would be the plain gradient. ReLUs inside "
                        "scripted or compiled modules are not seen, and other activations have no such rule: take the method 'gradient'."
                    ) from None
                raise
        return rules.seen

    def _taken(self, images: Images, *, scaled: bool = True) -> torch.Tensor:
        first = next(self.module.parameters(), torch.zeros(()))
        seen = torch.from_numpy(np.array(images, np.float32)).permute(0, 3, 1, 2).to(first.device, first.dtype)
        return self._normal(seen) if scaled else seen

    def _normal(self, seen: torch.Tensor) -> torch.Tensor:
        mean, std = (torch.tensor(values).to(seen)[:, None, None] for values in (self.mean, self.std))
        return (seen - mean) / std
