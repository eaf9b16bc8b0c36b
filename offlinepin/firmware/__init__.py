"""The C lock of ``firmware/`` from Python's side: its tables from a profile, and the lock itself, built and run on a test board."""
