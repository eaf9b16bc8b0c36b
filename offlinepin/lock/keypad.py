"""The simulated keypad: keys in, entries out."""

from __future__ import annotations

from dataclasses import dataclass

from offlinepin.engine.profile import Profile
from offlinepin.keypad import KeypadPolicy


@dataclass(frozen=True, slots=True)
class Entry:
    """What was typed between two enter keys."""

    text: str


class Keypad:
    """Collects keys until the enter key.

    Args:
        policy: how the product's keypad is worked.
        profile: whose codes are typed on it.

    Raises:
        ProfileError: the keypad cannot type the profile's codes.
    """

    def __init__(self, policy: KeypadPolicy, profile: Profile) -> None:
        policy.check(profile)
        self.policy = policy
        self._keys = ""
        self._pressed_at = 0

    def press(self, key: str, uptime: int) -> Entry | None:
        """Press a key at an uptime in seconds; the entry that it ends, if any. An empty entry is none."""
        if uptime - self._pressed_at > self.policy.timeout:
            self.discard()
        self._pressed_at = uptime
        if key == self.policy.clear:
            self.discard()
        elif key != self.policy.enter:
            self._keys += key
        elif self._keys:
            text = self._keys
            self.discard()
            return Entry(text) if len(text) <= self.policy.max_keys else Entry("")
        return None

    def discard(self) -> None:
        """Forget what was typed."""
        self._keys = ""
