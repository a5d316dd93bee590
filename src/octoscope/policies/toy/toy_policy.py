"""A policy of two numbers: one is the red of a single patch, the other whether a single word is said; its attention says just that.

Its one readout looks at that patch and at that word, half each, and evenly at everything in its other head. So what a map, an
intervention or a score should find is known beforehand.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from octoscope.array_typing import Float, Float32, Int, UInt8
from octoscope.errors import SelectionError, nearest
from octoscope.policies.action_space import ActionSpace
from octoscope.policies.forward_count import counted
from octoscope.policies.inputs import PolicyInputs
from octoscope.policies.noise import Noise
from octoscope.policies.policy_model import PolicyCard, PolicyNeeds, WantedAttention, Watched
from octoscope.policies.policy_text import ShowsItself
from octoscope.tokens.image_transform import ImageTransform
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.receptive_field import ReceptiveField
from octoscope.tokens.rules import Rules
from octoscope.tokens.stack import AttentionStack
from octoscope.tokens.token_source import TokenSource
from octoscope.tokens.words import InstructionReading, WordPiece

CAMERA, STACK, SIZE, PATCH, LONGEST = "primary", "transformer", (32, 48), 8, 6
GRID = (SIZE[0] // PATCH, SIZE[1] // PATCH)


@dataclass(frozen=True, repr=False)
class ToyPolicy(ShowsItself):
    """Acts on the patch at `row`, `column` of its one camera and on the word `word`; draws no more noise than `noise`."""

    row: int = 1
    column: int = 2
    word: str = "red"
    # Standard deviation of what is added to each number.
    noise: float = 0.01
    needs: PolicyNeeds = field(default_factory=lambda: PolicyNeeds(cameras={CAMERA: SIZE}, words=True))

    @property
    def card(self) -> PolicyCard:
        """What it is."""
        name = f"toy reading patch ({self.row}, {self.column}) and '{self.word}'"
        return PolicyCard(name, "toy", "numpy", np.__version__, "cpu")

    def digest(self) -> str:
        """Returns what stands for its parameters."""
        return f"{self.row}-{self.column}-{self.word}"

    def prepare(
        self, camera: str, frame: UInt8[np.ndarray, "height width 3"]
    ) -> tuple[UInt8[np.ndarray, "_height _width 3"], ImageTransform]:
        """Returns the frame squashed to 32 x 48."""
        if camera != CAMERA:
            raise SelectionError(f"The policy has no camera '{camera}', only '{CAMERA}'.{nearest(camera, [CAMERA])}")
        image = np.asarray(Image.fromarray(frame).resize((SIZE[1], SIZE[0]), Image.Resampling.BOX))
        return image, ImageTransform.resize((frame.shape[0], frame.shape[1]), SIZE)

    def action_space(self, dataset: str) -> ActionSpace:
        """Returns two numbers, one step ahead, in no robot's units."""
        return ActionSpace(1, 2, np.ones(2, bool), deterministic=not self.noise, dataset=dataset)

    def layout(self, inputs: PolicyInputs) -> TokenLayout:
        """Returns the words, the patches and the readout."""
        field = ReceptiveField(PATCH, PATCH, (PATCH - 1) / 2)
        source = TokenSource("image", (f"image_{CAMERA}",), grid=GRID, receptive_field=field)
        groups = [("patches", GRID[0] * GRID[1], source), ("action", 1, TokenSource("readout"))]
        layout = TokenLayout.assemble([("words", LONGEST, TokenSource("language"))], groups, window=1)
        rules = np.ones((layout.size, layout.size), bool)
        rules[:, -1] = False
        rules[-1, -1] = True
        stack = AttentionStack(STACK, 1, 2, layout.groups, layout.groups, Rules.of(rules))
        words = (inputs.instruction or "").split()
        reading = InstructionReading(" ".join(words[:LONGEST]), " ".join(words[LONGEST:]), len(words[:LONGEST]))
        return layout.with_pieces(_pieces(words), reading).with_stacks([stack])

    @counted
    def act(
        self, inputs: Sequence[PolicyInputs], noise: Noise | Sequence[Noise], *, batch: int = 16
    ) -> Float32[np.ndarray, "input horizon dim"]:
        """Returns red minus its middle, and the word, each over the attention that is left for it."""
        noises = [noise] * len(inputs) if isinstance(noise, Noise) else noise
        return np.stack([self.watch(each, under, []).actions for each, under in zip(inputs, noises, strict=True)])

    def watch(self, inputs: PolicyInputs, noise: Noise, wanted: Sequence[WantedAttention]) -> Watched:
        """Returns the same action, and the attention it was made with."""
        layout = self.layout(inputs)
        weights, values = self._weights(layout, inputs), self._values(layout, inputs)
        drawn = np.random.default_rng([noise.seed, noise.step, noise.draw]).normal(scale=self.noise, size=(1, 2))
        actions = (weights[0, 0, -1] @ values + drawn).astype(np.float32)
        parts = {
            each.stack: weights[list(each.layers)][:, :, list(each.queries)][..., list(each.keys)][None]
            for each in wanted
        }
        return Watched(actions, parts, np.zeros(layout.size, bool))

    def dropper(
        self, inputs: PolicyInputs, noise: Noise
    ) -> Callable[[Int[np.ndarray, " token"]], Float32[np.ndarray, "horizon dim"]]:
        """Returns what acts with some places of the layout alone."""
        return lambda kept: self.act([replace(inputs, kept=kept)], noise)[0]

    def _places(self, layout: TokenLayout) -> tuple[int, list[int]]:
        """Returns the place of the patch, and those of the word."""
        first = layout.find_spans("words")[0].start
        said = [first + at for at, piece in enumerate(layout.instruction_pieces) if piece.text == self.word]
        return layout.find_spans("patches")[0].start + self.row * GRID[1] + self.column, said

    def _weights(self, layout: TokenLayout, inputs: PolicyInputs) -> Float[np.ndarray, "layer head query key"]:
        """Returns what is left of attention once keys are hidden: head 0 reads, head 1 looks at everything alike."""
        allowed = np.array(layout.rules())
        patch, said = self._places(layout)
        focused = np.where(np.arange(layout.size) == patch, 0.5, 0.0)
        focused[said or [patch]] += 0.5 / max(1, len(said))
        heads = np.stack([np.broadcast_to(focused, allowed.shape), np.ones(allowed.shape)]) * allowed
        if inputs.kept is not None:
            heads[..., np.setdiff1d(np.arange(layout.size), inputs.kept)] = 0.0
        heads = heads if inputs.hidden is None else heads * ~inputs.hidden
        total = heads.sum(axis=-1, keepdims=True)
        return np.where(total > 0, heads / np.where(total > 0, total, 1.0), 1.0 / layout.size)[None]

    def _values(self, layout: TokenLayout, inputs: PolicyInputs) -> Float[np.ndarray, "token 2"]:
        """Returns what each token says: a patch its red, -1 to 1, and the word 1."""
        values = np.zeros((layout.size, 2))
        red = inputs.images[CAMERA][-1, ..., 0].reshape(GRID[0], PATCH, GRID[1], PATCH).mean(axis=(1, 3))
        values[layout.select("patches"), 0] = red.ravel() / 127.5 - 1.0
        values[self._places(layout)[1], 1] = 1.0
        return values


def _pieces(words: Sequence[str]) -> list[WordPiece]:
    """Returns a piece for each word, cut or filled up to six."""
    pieces = [WordPiece(word, word) for word in words[:LONGEST]]
    return [*pieces, *[WordPiece("<pad>", "", "padding")] * (LONGEST - len(pieces))]
