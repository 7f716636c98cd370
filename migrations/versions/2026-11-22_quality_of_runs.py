"""quality of runs."""

import sqlalchemy as sa
from alembic import op

revision = "e41f0b7d2c95"
down_revision = "c7e2f41b90da"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "run_quality",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("metric", sa.String(length=16), nullable=False),
        sa.Column("area", sa.String(length=16), nullable=False),
        sa.Column("max_detections", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("instances", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_quality_run_id_runs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "metric", "area", "max_detections", name=op.f("pk_run_quality")),
    )
    op.add_column("runs", sa.Column("quality_error_code", sa.String(length=64), nullable=True))
    op.add_column("runs", sa.Column("quality_error_message", sa.String(), nullable=True))
    begun = sa.Column("evaluations_begun", sa.Integer(), server_default=sa.text("0"), nullable=False)
    op.add_column("runs", begun)
    evaluate = sa.Column("evaluate", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    op.add_column("jobs", evaluate)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("jobs", "evaluate")
    op.drop_column("runs", "evaluations_begun")
    op.drop_column("runs", "quality_error_message")
    op.drop_column("runs", "quality_error_code")
    op.drop_table("run_quality")
