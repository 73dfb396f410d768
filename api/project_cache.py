"""Projects as authentication sees them: loaded from the store, once for all who wait, and kept for a second at most."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from commands.ports import EventStore
from domain.project import PROJECTS, Project

MAX_AGE_SECONDS = 1.0  # How long a revoked key may still open something, in a process that did not hear of it.

_NEVER = (float("-inf"), None)


class ProjectCache:
    """Bounded: beyond `size` the entry that was loaded longest ago goes. A project that is not there is not remembered."""

    def __init__(self, store: EventStore, *, size: int = 10_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._size = size
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, Project]] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Project | None]] = {}

    async def get(self, project_id: str) -> Project | None:
        """The project as it stood at most a second ago. Raises `StoreUnavailable`."""
        project = self.at_hand(project_id)
        if project is not None:
            return project
        return await asyncio.shield(self._load_once(project_id))  # Who gives up must not take the others with them.

    def at_hand(self, project_id: str) -> Project | None:
        """The project, if it was loaded at most a second ago."""
        loaded_at, project = self._kept.get(project_id, _NEVER)
        return project if self._clock() - loaded_at < MAX_AGE_SECONDS else None

    def forget(self, project_id: str) -> None:
        """Load it again when it is next asked for: it was changed here."""
        self._kept.pop(project_id, None)
        self._loading.pop(project_id, None)

    def _load_once(self, project_id: str) -> "asyncio.Task[Project | None]":
        task = self._loading.get(project_id)
        if task is None:
            task = asyncio.create_task(self._load(project_id))
            self._loading[project_id] = task
        return task

    async def _load(self, project_id: str) -> Project | None:
        task, asked_at = asyncio.current_task(), self._clock()
        try:
            project = await self._store.load(PROJECTS.at(project_id))
        finally:
            current = self._loading.get(project_id) is task
            if current:
                del self._loading[project_id]
        if project is not None and current:
            self._keep(project_id, asked_at, project)
        return project

    def _keep(self, project_id: str, loaded_at: float, project: Project) -> None:
        self._kept[project_id] = (loaded_at, project)
        self._kept.move_to_end(project_id)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
