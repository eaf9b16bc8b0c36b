"""The campaign's rules as a hypothesis state machine, which looks for the shortest way to make a lock go wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from offlinepin.testing import actions
from offlinepin.testing.adapter import DoorUnderTest, LockFactory
from offlinepin.testing.bench import Bench, LockStoppedError
from offlinepin.testing.choosing import DrawChooser
from offlinepin.testing.profiles import small_vendor
from offlinepin.vendor import Vendor

MANY_WORLDS = 200


class LockMachine(RuleBasedStateMachine):
    """Issues codes, types them and others, and lets everything happen to a lock that happens to locks.

    Subclass it and set the attributes to test your own lock:

    Attributes:
        factory: makes the lock under test.
        vendor: the product; a generated one for every run by default.
    """

    factory: LockFactory = staticmethod(DoorUnderTest)
    vendor: Vendor | None = None

    @initialize(data=st.data())
    def switch_on(self, data: st.DataObject) -> None:
        """A lock is switched on."""
        choose = DrawChooser(data.draw)
        vendor = small_vendor(choose) if self.vendor is None else self.vendor
        at = choose.pick(actions.STARTS)
        self.bench = Bench(vendor, at, type(self).factory, follows_dst=choose.integer(0, 3) < 3)
        self.is_over = False

    @invariant()
    def its_generation_is_known(self) -> None:
        """Whatever happened, the issuer can tell the lock's generation from its check value, and the lock is in a known condition."""
        if getattr(self, "bench", None) is not None and not self.is_over:
            self.bench.confirm()
            assert self.bench.worlds


def _as_rule(name: str, action: actions.ActionRule) -> Callable[..., Any]:
    def step(self: LockMachine, data: st.DataObject) -> None:
        try:
            action(self.bench, DrawChooser(data.draw))
        except LockStoppedError:
            self.is_over = True
        self.is_over = self.is_over or len(self.bench.worlds) > MANY_WORLDS

    step.__name__, step.__doc__ = name, action.__doc__
    return rule(data=st.data())(precondition(lambda self: not self.is_over)(step))


for _action in (*actions.WEIGHTS, actions.sweep):
    setattr(LockMachine, _action.__name__, _as_rule(_action.__name__, _action))
