"""`metrics.jsonl`: one JSON object an event, appended and flushed; a torn last line, from a kill, is tolerated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dd3g.core.errors import OutputError
from dd3g.core.files import write_atomically
from dd3g.training.trackers import Track


class Journal:
    """Appends events to a run's ``metrics.jsonl``; on resuming, events after the resumed step are dropped.

    Without a path, which is for ranks that only help, it keeps nothing.
    """

    def __init__(self, path: Path | None, resume_step: int, trackers: Sequence[Track] = ()) -> None:
        self._file, self._trackers = None, trackers
        if path is None:
            return
        kept = [event for event in read_journal(path) if event.get("step", 0) <= resume_step]
        with write_atomically(path) as temporary:  # a kill here must not cost the history
            temporary.write_text("".join(json.dumps(event) + "\n" for event in kept), encoding="utf-8")
        self._file = path.open("a", encoding="utf-8")

    def write(self, kind: str, step: int, values: dict[str, Any]) -> None:
        """Adds one event; ``step`` counts finished steps."""
        if self._file is not None:
            try:
                self._file.write(json.dumps({"kind": kind, "step": step, **values}) + "\n")
                self._file.flush()
                for track in self._trackers:
                    track(kind, step, values)
            except OSError as error:
                raise OutputError(
                    f"{self._file.name}: can't be written ({error.strerror}); is the disk full? make room, and the same command goes on"
                ) from error

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()


def read_journal(path: Path) -> list[dict[str, Any]]:
    """All whole events of a journal; none if there is no file."""
    if not path.is_file():
        return []
    events = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            events.append(json.loads(line))
        except json.JSONDecodeError:
            break  # torn by a kill: nothing whole can follow
    return events
