"""Streams as they stood when they were last read or written here: what saves folding them anew, and never asking."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from commands.store.states import Folded
from domain.streams import Stream

MOST_STREAMS = 20_000

_NOTHING: Mapping[str, int] = MappingProxyType({})

Note = Callable[[str, Folded, int], None]


class RecentStreams:
    """Bounded: the stream that was not wanted for longest is forgotten. Holds what is committed, and nothing else.

    A state from here may be old. Whoever takes it reads the facts after it, or has the log confirm with the write that
    there are none, and in either case that the state is the log's. That nothing happened yet is kept as well.
    """

    def __init__(self, most: int = MOST_STREAMS, note: Note | None = None) -> None:
        """`note` is told how each stream stands that moved, and at which version it was kept before."""
        self._most = most
        self._note = note
        self._kept: OrderedDict[str, Folded] = OrderedDict()

    def known(self, streams: Iterable[Stream[Any, Any]]) -> dict[str, Folded]:
        """Those of these streams that are kept."""
        found = {stream.id: kept for stream in streams if (kept := self._kept.get(stream.id))}
        for stream_id in found:
            self._kept.move_to_end(stream_id)
        return found

    def keep(self, streams: Mapping[str, Folded], since: Mapping[str, int] = _NOTHING) -> None:
        """These are committed. Of what is known of a stream, the newest stays.

        `since` has versions at which streams are kept elsewhere.
        """
        for stream_id, folded in streams.items():
            kept = self._kept.get(stream_id)
            if kept is None or folded.version > kept.version:
                self._kept[stream_id] = folded
                self._kept.move_to_end(stream_id)
                if self._note is not None:
                    self._note(stream_id, folded, kept.version if kept else since.get(stream_id, 0))
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def forget(self, stream_ids: Iterable[str]) -> None:
        """The log knows nothing of these states: it was restored from a copy that is older than they are."""
        for stream_id in stream_ids:
            self._kept.pop(stream_id, None)
