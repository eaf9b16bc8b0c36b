"""The derivation engine of code format 1: pure functions over integers, bytes and text. ``docs/format.md`` is its contract."""
