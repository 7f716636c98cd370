"""rollup histograms."""

from alembic import op

revision = "c3f9b8d1740a"
down_revision = "6f2a9d40c8b1"
branch_labels = None
depends_on = None

# Every bucket has twelve decimal digits (samfleet.rollups.histogram), so a sum of histograms adds bucket by bucket.
FUNCTION = """
CREATE FUNCTION rollup_histogram(first_bucket integer, counts integer[]) RETURNS numeric
IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT coalesce(
        (string_agg(lpad(count::text, 12, '0'), '' ORDER BY place DESC) || 'e' || 12 * first_bucket)::numeric, 0
    )
    FROM unnest(counts) WITH ORDINALITY AS filled (count, place)
$$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(FUNCTION)
    op.execute(
        "ALTER TABLE rollups ADD COLUMN histogram numeric NOT NULL "
        "GENERATED ALWAYS AS (rollup_histogram(first_bucket, counts)) STORED"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("ALTER TABLE rollups DROP COLUMN histogram")
    op.execute("DROP FUNCTION rollup_histogram(integer, integer[])")
