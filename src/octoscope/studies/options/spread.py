"""What commands that do many episodes can be told of who does them."""

from dataclasses import dataclass
from typing import Annotated

from octoscope.studies.options.values import NotNegative, Positive, Share
from octoscope.studies.options.vocabulary import OF_SPREAD


@dataclass(frozen=True)
class Workers:
    """Who does the episodes."""

    # Processes that each open what is read or run once; with --ray actors, as many as the cluster has room for by default. 1 works here.
    workers: Annotated[NotNegative, OF_SPREAD] = 1
    # Processor cores of each worker; an equal share by default. What was made on as many cores has the same bytes.
    cores: Annotated[Positive | None, OF_SPREAD] = None
    # Only a part of the episodes or runs, 'I/N' for the I-th of N, from 0: for arrays of jobs on a cluster.
    shard: Annotated[str | None, Share(), OF_SPREAD] = None
    # On a Ray cluster: its address, or 'auto'; needs octoscope[ray], and folders that all nodes see.
    ray: Annotated[str | None, OF_SPREAD] = None


@dataclass(frozen=True)
class Spread(Workers):
    """Who does the episodes, and whether one that cannot be done stops all."""

    # GPUs of each Ray actor.
    gpus: Annotated[NotNegative, OF_SPREAD] = 0
    # Stop at the first episode that cannot be done.
    strict: Annotated[bool, OF_SPREAD] = False

    def unused(self) -> dict[str, str]:
        """Returns the options that would change nothing beside the others, and why."""
        return {} if self.ray is not None else {"gpus": "only Ray gives actors GPUs of their own: give --ray."}
