"""Instructions whose encodings were computed elsewhere: a table from words to vectors, beside the checkpoint.

Policies that were trained on MUSE or on a language model's encodings read vectors, not word pieces, and the model that makes them
is neither part of the checkpoint nor of octoscope. Encode the instructions once where that model runs, and save them:

    np.savez(checkpoint / "instruction_embeddings.npz", texts=["", "put carrot on plate"], embeddings=vectors)

`vectors` is (text, embed), or (text, token, embed) when an instruction is several tokens. The empty text serves goal-image tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from octoscope.array_typing import Float
from octoscope.errors import CheckpointError, ObservationError, nearest
from octoscope.tokens.words import WordPiece

EMBEDDINGS_FILE = "instruction_embeddings.npz"


@dataclass(frozen=True, eq=False)
class InstructionEmbeddings:
    """Encodings by instruction; there are no word pieces to show."""

    # Where the table lies, or would lie.
    path: Path
    # What computed the encodings, for messages.
    encoder: str
    # Row of each instruction; empty without a table.
    rows: dict[str, int]
    embeddings: Float[np.ndarray, "text *token embed"]

    def encode(self, texts: Sequence[str]) -> Float[np.ndarray, "batch *token embed"]:
        """Returns the encodings of these instructions, which must be in the table letter by letter.

        Raises:
          ObservationError: If one of them is not, saying how to add it.
        """
        for text in texts:
            if text not in self.rows:
                raise ObservationError(self._missing(text))
        return self.embeddings[[self.rows[text] for text in texts]]

    def pieces(self, text: str) -> tuple[str, ...]:
        """Returns no pieces: an encoding has none."""
        return ()

    def word_pieces(self, text: str) -> tuple[WordPiece, ...]:
        """Returns no pieces either."""
        return ()

    def reading(self, text: str) -> None:
        """Returns nothing: what the model that made the encoding read of the text is not known here."""

    def _missing(self, text: str) -> str:
        held = f"holds no '{text}'.{nearest(text, self.rows)}" if self.rows else "is missing."
        empty = " (a task of goal images needs the encoding of the empty text)" if not text else ""
        return (
            f"This policy reads instructions as encodings by {self.encoder}, which octoscope does not run, and {self.path} {held}"
            f"{empty} Encode the instruction where that model runs and save it there: np.savez(file, texts=[...], embeddings=...), "
            "one row per text. Or give the policy tasks whose 'language_instruction' is the array (batch, embed) itself."
        )


def read_instruction_embeddings(path: Path, *, encoder: str) -> InstructionEmbeddings:
    """Returns the table at `path`; an empty one when there is none, since tasks may also carry encodings themselves.

    Args:
      path: An .npz file with `texts` (text,) and `embeddings` (text, embed) or (text, token, embed).
      encoder: What computed the encodings, for messages.

    Raises:
      CheckpointError: If the file is something else.
    """
    if not path.is_file():
        return InstructionEmbeddings(path, encoder, {}, np.zeros((0, 1), np.float32))
    try:
        # Opened here, since NumPy leaves a file open that it finds broken.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            texts, embeddings = file["texts"], file["embeddings"]
    except Exception as error:  # a broken zip, a missing entry and a pickled array each raise their own
        raise CheckpointError(
            f"{path} must be an .npz file with `texts` and `embeddings` ({type(error).__name__}: {error})."
        ) from None
    fits = texts.ndim == 1 and texts.dtype.kind == "U" and embeddings.ndim in (2, 3) and len(texts) == len(embeddings)
    if not fits or embeddings.dtype.kind != "f":
        raise CheckpointError(
            f"{path} must hold `texts` (text,) and floating `embeddings` (text, embed) or (text, token, embed), got "
            f"{texts.dtype} {texts.shape} and {embeddings.dtype} {embeddings.shape}."
        )
    rows = {str(text): row for row, text in enumerate(texts)}
    if len(rows) != len(texts) or not np.isfinite(embeddings).all():
        raise CheckpointError(f"{path} must hold every text once, and finite `embeddings`.")
    return InstructionEmbeddings(path, encoder, rows, embeddings.astype(np.float32))
