"""A lease of its own for the worker that tells a lock, the PINs before an offline code's, and deleted access codes found by their time."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """From the first schema."""
    op.add_column("access_codes", sa.Column("leased_until", sa.BigInteger(), nullable=True))
    op.add_column("access_codes", sa.Column("earlier_pins", sa.LargeBinary(), nullable=True))
    op.create_index(op.f("ix_access_codes_deleted_at"), "access_codes", ["deleted_at"], unique=False)
