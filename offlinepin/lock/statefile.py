"""The file in which a simulated lock lies between two sessions: provisioning, flash, clock, log and time, with a check value.
It is replaced as a whole or not at all, and a file that is not of this kind is never written over."""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from offlinepin.errors import StateError
from offlinepin.lock.audit import AuditEntry
from offlinepin.lock.timekeeping import ClockSetting

VERSION: Final = 1
_HEAD: Final = re.compile(rb"offlinepin-lock ([0-9]{1,9}) ([0-9a-f]{64})")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class KeptFlash(_Part):
    """A flash part: its cells in hexadecimal digits (they hold the token), and its wear."""

    page_size: int
    cells: str = Field(repr=False)
    wear: tuple[int, ...]
    words: int


class Kept(_Part):
    """Everything of a simulated lock that outlives a power cut.

    Attributes:
        provisioning: the document that was loaded into it. It is secret.
        at: the true time.
        runs: whether the true time runs on with the system's clock.
        bolt_moves: how often the bolt was driven.
    """

    provisioning: str = Field(repr=False)
    flash: KeptFlash
    clock: ClockSetting
    at: AwareDatetime
    runs: bool
    bolt_moves: int
    audit: tuple[AuditEntry, ...]


class StateFile:
    """The state file at a path: a line with the version and a SHA-256 check value, then a JSON document.

    It holds the lock's token, so that only its owner may read it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._place = Path(os.path.realpath(path))  # a link stays a link
        self._seen: tuple[int, int, int] | None = None

    def load(self) -> Kept | None:
        """What the file holds; ``None`` if there is none. ``StateError`` if it is foreign, damaged, or cannot be read."""
        try:
            self._seen = self._mark()
            data = self._place.read_bytes()
        except FileNotFoundError:
            self._seen = None
            return None
        except OSError as cause:
            raise StateError(f"the state file {str(self.path)!r} cannot be read: {cause.strerror}") from None
        head, _, body = data.partition(b"\n")
        found = _HEAD.fullmatch(head)
        if found is None:
            raise StateError(f"the file {str(self.path)!r} is no lock's state file; give --state the name of one, or of a new file")
        if int(found[1]) != VERSION:
            raise StateError(f"the state file {str(self.path)!r} is of version {int(found[1])}, this library reads {VERSION}")
        try:
            if hashlib.sha256(body).hexdigest().encode() != found[2]:
                raise StateError(
                    f"the state file {str(self.path)!r} is damaged: its check value is wrong; restore a copy, or begin a new file"
                )
            return Kept.model_validate_json(body)
        except ValidationError as cause:
            first = cause.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise StateError(f"the state file {str(self.path)!r} is malformed: member {where}: {first['msg']}") from None

    def save(self, kept: Kept) -> None:
        """Replace the file: whatever happens on the way, there is the old one or the new one, whole.

        Raises:
            StateError: another program has written the file since it was read here, or it cannot be written.
        """
        body = kept.model_dump_json().encode() + b"\n"
        head = f"offlinepin-lock {VERSION} {hashlib.sha256(body).hexdigest()}\n".encode()
        new = self._place.with_name(f".{self._place.name}.offlinepin-new")
        try:
            if self._mark() != self._seen:
                raise StateError(
                    f"another program has written the state file {str(self.path)!r} meanwhile; this session ends without a change"
                )
            new.unlink(missing_ok=True)  # left by a session that was killed
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(head + body)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._place)
            self._seen = self._mark()
            _sync_folder(self._place.parent)
        except OSError as cause:
            raise StateError(f"the state file {str(self.path)!r} cannot be written: {cause.strerror}") from None

    def _mark(self) -> tuple[int, int, int] | None:
        """By what a file that was replaced or written is told from the one that was seen last."""
        try:
            found = self._place.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def _sync_folder(folder: Path) -> None:
    """Make a file's new name last, on systems where a folder can be opened."""
    with suppress(PermissionError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
