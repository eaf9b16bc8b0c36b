"""Whole tables of codes: Arrow in, Arrow out, near the speed of the hash itself. Needs the extra ``batch`` (pyarrow and numpy)."""

from offlinepin.batch.generate import generate
from offlinepin.batch.oath import hotp, totp
from offlinepin.batch.verify import verify
from offlinepin.errors import BatchError

__all__ = ["BatchError", "generate", "hotp", "totp", "verify"]
