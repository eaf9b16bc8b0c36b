"""How a product's keypad is worked: its enter and clear keys, masking digits, what may be typed after a code. Data, as the profile is."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from offlinepin.engine.profile import Profile
from offlinepin.errors import ProfileError

PERSONAL_LENGTH: Final = 6  # keys of a personal code


class KeypadPolicy(BaseModel):
    """A keypad.

    Attributes:
        enter: the key that ends an entry.
        clear: the key that discards it.
        timeout: seconds after which an unfinished entry is discarded, and until which a follow-up to a code counts.
        max_keys: keys in one entry; more discard it.
        masking: whether masking digits may come before a code, so that the end of an entry counts.
        personal: families whose code may be followed by ``six digits, enter``: a personal code of the guest's own choice.
        passage: families whose code may be followed by ``2, enter`` to hold the door open and ``3, enter`` to end that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    enter: Annotated[str, Field(min_length=1, max_length=1)] = "#"
    clear: Annotated[str, Field(min_length=1, max_length=1)] = "*"
    timeout: Annotated[int, Field(ge=1, le=600)] = 10
    max_keys: Annotated[int, Field(ge=4, le=64)] = 16
    masking: bool = False
    personal: tuple[str, ...] = ()
    passage: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _distinct(self) -> KeypadPolicy:
        if self.enter == self.clear:
            raise ProfileError("keypad.clear", f"enter and clear must be different keys, both are {self.enter!r}")
        return self

    def check(self, profile: Profile) -> None:
        """Refuse a keypad that cannot type the profile's codes. Raises ``ProfileError``."""
        keys = set(profile.alphabet).union(*(family.prefix for family in profile.families))
        for member, key in (("enter", self.enter), ("clear", self.clear)):
            if key in keys:
                raise ProfileError(f"keypad.{member}", f"{key!r} is a key of codes of profile {profile.name!r}; choose another")
        longest = max(family.total_length for family in profile.families)
        if longest > self.max_keys:
            raise ProfileError("keypad.max_keys", f"codes of profile {profile.name!r} have up to {longest} keys, not {self.max_keys}")
        for name in (*self.personal, *self.passage):
            profile.family_index(name)
        if self.personal:
            self._check_personal(profile)

    def _check_personal(self, profile: Profile) -> None:
        if self.max_keys < PERSONAL_LENGTH:
            raise ProfileError("keypad.max_keys", f"a personal code has {PERSONAL_LENGTH} keys, an entry at most {self.max_keys}")
        for family in profile.families:
            length = family.total_length
            if length == PERSONAL_LENGTH or (self.masking and length < PERSONAL_LENGTH):
                raise ProfileError(
                    "keypad.personal", f"personal codes could be taken for the codes of {length} keys of family {family.name!r}"
                )
