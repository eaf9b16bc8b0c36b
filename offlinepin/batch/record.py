"""The record of a run, beside its unfinished files: what the run was asked, and how far each file is sound. A run that was cut off, by
whatever, goes on from its last line."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Self

from offlinepin.errors import RequestError

if sys.platform != "win32":
    import fcntl


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run was asked, as far as its result depends on it.

    Attributes:
        run: its name.
        source: the table's path, size and time of change in nanoseconds.
        kinds: the formats of the table, the result, and the refused rows.
        keys: a check value of the key, which does not reveal it.
        profile: the digest of the vendor's profile.
        options: zone, rounding, ledger and the rest, as text.
        now: the present, in ISO 8601.
    """

    run: str
    source: tuple[str, int, int]
    kinds: tuple[str, ...]
    keys: str
    profile: str
    options: tuple[tuple[str, str], ...]
    now: str

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Self:
        """From the record's first line."""
        source, options = tuple(document["source"]), tuple((name, value) for name, value in document["options"])
        return cls(**{**document, "source": source, "kinds": tuple(document["kinds"]), "options": options})

    def difference(self, other: Asked) -> str | None:
        """In what another run differs, in words; the present and the name do not count."""
        words = {"source": "the table", "kinds": "the formats", "keys": "the key", "profile": "the vendor's profile"}
        for name, what in words.items():
            if getattr(self, name) != getattr(other, name):
                return what
        mine, its = dict(self.options), dict(other.options)
        return next((f"the option --{name}" for name in mine if mine[name] != its.get(name)), None)


@dataclass(frozen=True, slots=True)
class Written:
    """How far a file is written: its bytes and rows so far, and of a Parquet file the row groups that came last."""

    size: int
    rows: int
    groups: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(slots=True)
class Done:
    """What a record says.

    Attributes:
        chunks: how many parts of the table are in the files.
        errors: the refused rows by their error's code.
        files: for each file how far it is written, with all its row groups.
        rows: in the result's file.
        before: of these, the rows that a run before has written.
        ended: whether the files are whole and only have to get their names.
    """

    chunks: int
    errors: Counter[str]
    files: list[Written]
    rows: int = 0
    before: int = 0
    ended: bool = False


_SUFFIX: Final = ".run"


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Errors of writing name the file, which the system does not say."""
    try:
        yield
    except OSError as cause:
        if cause.filename is not None:
            raise
        raise OSError(cause.errno, os.strerror(cause.errno) if cause.errno else str(cause), str(path)) from None


class Record:
    """A run's record in its file, which no second run can open at the same time.

    Raises:
        RequestError: another run is at work on the same file.
    """

    def __init__(self, beside: Path) -> None:
        self.path = beside.with_name(beside.name + _SUFFIX)
        self.empty = True  # there is nothing in it that a run could go on from
        self._file: IO[bytes] = self.path.open("a+b")
        if sys.platform == "win32":
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise RequestError(f"another run is writing the same file at this moment; its record is {self.path}") from None

    def read(self) -> tuple[Asked, Done] | None:
        """What it says; ``None`` if there is no run in it. A last line that was cut off does not count."""
        self._file.seek(0)
        lines = self._file.read().split(b"\n")
        self._file.truncate(sum(len(line) + 1 for line in lines[:-1]))
        if len(lines) < 2:
            return None
        asked, done = Asked.parse(json.loads(lines[0])), Done(0, Counter(), [])
        self.empty = len(lines) == 2
        for line in lines[1:-1]:
            said = json.loads(line)
            done.chunks, done.ended = said["chunks"], said.get("ended", False)
            done.errors.update(said["errors"])
            files = [Written(size, rows, tuple(bytes.fromhex(g) for g in groups)) for size, rows, groups in said["files"]]
            before = done.files or [Written(0, 0)] * len(files)
            done.files = [Written(now.size, now.rows, old.groups + now.groups) for old, now in zip(before, files, strict=True)]
        if done.files:
            done.rows = done.before = done.files[0].rows
        return asked, done

    def begin(self, asked: Asked) -> None:
        """A new run."""
        self._file.truncate(0)
        self.empty = True
        self._line(asdict(asked))

    def add(self, chunks: int, errors: Counter[str], files: list[Written], *, ended: bool = False) -> None:
        """The files are written as far as this, with ``chunks`` parts of the table in them; errors and row groups since the last time."""
        sizes = [(each.size, each.rows, [group.hex() for group in each.groups]) for each in files]
        self.empty = False
        self._line({"chunks": chunks, "errors": errors, "files": sizes} | ({"ended": True} if ended else {}))

    def _line(self, document: dict[str, Any]) -> None:
        with named(self.path):
            self._file.write(json.dumps(document).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let go of the file. A line that could not be written whole does not count."""
        with suppress(OSError):
            self._file.close()

    def remove(self) -> None:
        """The run is over."""
        self.path.unlink(missing_ok=True)
        self.close()
