"""Workers as actors of a Ray cluster: each loads the policy once, on cores or a GPU of its own; runs go to a folder that all nodes see."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from octoscope.errors import SelectionError
from octoscope.studies.collecting.cores import claim_cores
from octoscope.studies.collecting.crew import Outcome, Task


class RayCrew:
    """As many actors as asked for; one that dies is begun anew where the cluster has room for it."""

    def __init__(self, open_worker: Callable[[], Any], *, address: str, size: int, cores: int, gpus: int) -> None:
        """Joins the cluster and begins the actors.

        Args:
          open_worker: Gives something with `make(task) -> Outcome`; it is called in each actor, and may be pickled.
          address: Of the cluster, or "auto".
          size: Actors; 0 for as many as there is room for.
          cores: Of each. Ray does not keep an actor to its cores, so each claims some.
          gpus: Of each.

        Raises:
          SelectionError: If Ray is not installed, or there is no cluster or no room.
        """
        try:
            import ray  # pyright: ignore[reportMissingImports]  # an extra
        except ImportError:
            raise SelectionError("--ray needs Ray: pip install 'octoscope[ray]'. Without it, give --workers.") from None
        self._ray = ray
        try:
            ray.init(address=address, log_to_driver=False, ignore_reinit_error=True)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise SelectionError(
                f"There is no Ray cluster at '{address}' that lets this process in ({str(error).splitlines()[0]}). Look with `ray status`; "
                "a cluster that was started with tokens needs RAY_AUTH_MODE=token here too."
            ) from None
        # Our own tries are counted by episode: Ray's are used up while a node that died is only "unavailable".
        self._actor = ray.remote(num_cpus=cores, num_gpus=gpus, max_restarts=0, max_task_retries=0)(_Actor)
        self._arguments = (open_worker, cores)
        self._need = {"CPU": cores, "GPU": gpus}
        self._size = size or self._room()
        if not self._size:
            raise SelectionError(
                f"The Ray cluster at '{address}' has no room for a worker of {cores} cores and {gpus} GPUs."
            )
        self._actors = {place: self._begin() for place in range(self._size)}
        self._asked: dict[Any, int] = {}

    def __enter__(self) -> "RayCrew":
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the cluster, and with it ends the actors."""
        self._ray.shutdown()

    @property
    def places(self) -> Sequence[int]:
        """Those whose actors live, as far as is known; of one that died, once there is room for it again."""
        for place in range(self._size):
            if place not in self._actors and self._room():
                self._actors[place] = self._begin()
        return tuple(self._actors)

    def give(self, place: int, task: Task) -> None:
        """Gives an episode to an actor that is free."""
        self._asked[self._actors[place].make.remote(task)] = place

    def wait(self) -> tuple[int, Outcome | None]:
        """Returns which actor is done next, and with what; None where it died."""
        (done, *_), _ = self._ray.wait(list(self._asked), num_returns=1)
        place = self._asked.pop(done)
        try:
            return place, Outcome(**self._ray.get(done))
        except self._ray.exceptions.RayError:
            self._ray.kill(self._actors.pop(place))
            return place, None

    def _begin(self) -> Any:
        return self._actor.remote(*self._arguments)

    def _room(self) -> int:
        """Returns how many more actors the cluster has room for."""
        free = self._ray.available_resources()
        return int(min(free.get(name, 0) // count for name, count in self._need.items() if count))


class _Actor:
    """What lives on a node."""

    def __init__(self, open_worker: Callable[[], Any], cores: int) -> None:
        claim_cores(cores)
        self._worker = open_worker()

    def make(self, task: Task) -> dict[str, Any]:
        """Makes an episode; only what became of it goes through Ray, never a run."""
        return vars(self._worker.make(task))
