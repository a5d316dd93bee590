"""What a finding says of itself, read without its arrays, and only when every byte is the one that was written."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octoscope.errors import FindingError

FINDINGS = "findings"
# 1: as `finding_folder` says.
FORMAT = 1
HEAD, SEAL = "finding.json", "sha256"
# Of the folder of one that is being made.
SUFFIX = ".unfinished"
HOW = "Make it anew with --overwrite, or remove the folder."


@dataclass(frozen=True)
class FindingHead:
    """What a finding says of itself, known without its arrays."""

    path: Path
    kind: str
    # What it was made from: policy, episodes, arguments, versions, each by name.
    provenance: Mapping[str, Any]


def read_head(path: Path) -> FindingHead:
    """Returns what a finding says of itself, after comparing every file with its SHA-256.

    Raises:
      FindingError: If there is none, it is damaged, or of a format that is not known here.
    """
    content = sound_content(path)
    return FindingHead(path, content["kind"], content["provenance"])


def sound_content(path: Path) -> dict[str, Any]:
    """Returns all that the head holds, after comparing every file with its SHA-256.

    Raises:
      FindingError: If there is none, it is damaged, or of a format that is not known here.
    """
    if not path.is_dir():
        raise FindingError(f"There is no finding at {path}.")
    try:
        content = json.loads((path / HEAD).read_bytes())
        number, seal = content["format"], content.pop(SEAL)
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise damaged_finding(path, f"{HEAD} cannot be read ({type(error).__name__})") from None
    if type(number) is int and number > FORMAT:
        raise FindingError(f"{path} is a finding of format {str(number)[:20]}: get a newer octoscope.")
    if seal != digest_of(sealed_json(content)):
        raise damaged_finding(path, f"{HEAD} is not the one that was written")
    for name, digest in content["files"].items():
        try:
            same = digest_of((path / name).read_bytes()) == digest
        except OSError:
            raise damaged_finding(path, f"{name} is missing or cannot be read") from None
        if not same:
            raise damaged_finding(path, f"{name} is not the one that was written")
    return content


def kept_count(folder: Path) -> int:
    """Returns how many parts an unfinished finding has."""
    return sum(1 for file in (folder / "steps").glob("*.npz") if not file.name.startswith("part-"))


def digest_of(content: bytes) -> str:
    """Returns the SHA-256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def sealed_json(content: Mapping[str, Any]) -> bytes:
    """Returns what the seal of a head is of."""
    return json.dumps(content, sort_keys=True).encode()


def damaged_finding(path: Path, problem: str) -> FindingError:
    """Returns the error that says what is wrong with a finding, and what to do."""
    return FindingError(f"The finding at {path} is damaged: {problem}. {HOW}")
