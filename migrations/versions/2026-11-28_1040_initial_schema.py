"""initial schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "7d2e9b662217"
down_revision = None
branch_labels = None
depends_on = None


# Every bucket has twelve decimal digits (samfleet.rollups.histogram), so a sum of histograms adds bucket by bucket.
HISTOGRAM = """
CREATE FUNCTION rollup_histogram(first_bucket integer, counts integer[]) RETURNS numeric
IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT coalesce(
        (string_agg(lpad(count::text, 12, '0'), '' ORDER BY place DESC) || 'e' || 12 * first_bucket)::numeric, 0
    )
    FROM unnest(counts) WITH ORDINALITY AS filled (count, place)
$$
"""
# Summing digests needs no memory per row, and 112 bits of each row are enough to distinguish datasets. Rows of images
# include their position, so their order counts.
CONTENT = """
CREATE FUNCTION dataset_content(wanted uuid) RETURNS text STABLE LANGUAGE sql AS $$
    WITH lines AS (
        SELECT 'image' AS kind, CAST(row(position, image_id, size_bytes, file_name) AS text) AS line
        FROM dataset_images WHERE dataset_id = wanted
        UNION ALL
        SELECT 'annotation',
               CAST(row(image_id, annotation_id, category_id, bbox, area, iscrowd, segmentation) AS text)
        FROM dataset_annotations WHERE dataset_id = wanted
        UNION ALL
        SELECT 'detection', CAST(row(image_id, detection_id, category_id, bbox, score) AS text)
        FROM dataset_detections WHERE dataset_id = wanted
    ), digests AS (
        SELECT kind, encode(sha256(convert_to(line, 'UTF8')), 'hex') AS digest FROM lines
    ), sums AS (
        SELECT concat_ws(
            ' ', kind, count(*), sum(CAST(CAST('x' || substr(digest, 1, 14) AS bit(56)) AS bigint)),
            sum(CAST(CAST('x' || substr(digest, 15, 14) AS bit(56)) AS bigint))
        ) AS line
        FROM digests GROUP BY kind
        UNION ALL
        SELECT concat_ws(' ', 'categories', categories) FROM datasets WHERE id = wanted
    )
    SELECT encode(sha256(convert_to(string_agg(line, E'\\n' ORDER BY line COLLATE "C"), 'UTF8')), 'hex') FROM sums
$$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(HISTOGRAM)
    op.create_table(
        "hardware",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint_sha256", sa.String(length=64), nullable=False),
        sa.Column("device_kind", sa.String(length=32), nullable=False),
        sa.Column("device_name", sa.String(length=200), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hardware")),
        sa.UniqueConstraint("fingerprint_sha256", name=op.f("uq_hardware_fingerprint_sha256")),
    )
    op.create_table(
        "removed_prefixes",
        sa.Column("prefix", sa.String(length=200), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("prefix", name=op.f("pk_removed_prefixes")),
    )
    op.create_index(op.f("ix_removed_prefixes_due_at"), "removed_prefixes", ["due_at"], unique=False)
    op.create_table(
        "store_walks",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("after", sa.String(length=1024), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_store_walks")),
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("name", name=op.f("uq_tenants_name")),
    )
    op.create_table(
        "worker_heartbeats",
        sa.Column("worker", sa.String(length=200), nullable=False),
        sa.Column("pool", sa.String(length=100), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("triton_ready", sa.Boolean(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("worker", name=op.f("pk_worker_heartbeats")),
    )
    op.create_index(op.f("ix_worker_heartbeats_pool"), "worker_heartbeats", ["pool"], unique=False)
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("key_sha256", sa.String(length=64), nullable=False),
        sa.Column("is_admin", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_bootstrap", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_api_keys_tenant_id_tenants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_sha256", name=op.f("uq_api_keys_key_sha256")),
    )
    op.create_index(op.f("ix_api_keys_tenant_id"), "api_keys", ["tenant_id"], unique=False)
    op.create_table(
        "datasets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column(
            "source",
            sa.Enum("directory", "upload", name="source", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("directory", sa.String(), nullable=True),
        sa.Column(
            "state",
            sa.Enum("open", "sealed", name="state", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("image_count", sa.Integer(), nullable=False),
        sa.Column("annotation_count", sa.Integer(), nullable=True),
        sa.Column("annotated_image_count", sa.Integer(), nullable=True),
        sa.Column("unused_annotation_count", sa.Integer(), nullable=True),
        sa.Column("box_annotation_count", sa.Integer(), nullable=True),
        sa.Column("annotations_key", sa.String(), nullable=True),
        sa.Column("detection_count", sa.Integer(), nullable=True),
        sa.Column("detections_key", sa.String(), nullable=True),
        sa.Column("categories", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("content_sha256", sa.String(length=64), nullable=True),
        sa.Column("left_out", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_datasets_tenant_id_tenants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
    )
    op.create_index(
        "ix_datasets_deleted",
        "datasets",
        ["deleted_at"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_index(
        "ix_datasets_open", "datasets", ["changed_at"], unique=False, postgresql_where=sa.text("state = 'open'")
    )
    op.create_index("ix_datasets_tenant_page", "datasets", ["tenant_id", "created_at", "id"], unique=False)
    op.create_table(
        "hardware_prices",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("hardware_id", sa.Uuid(), nullable=False),
        sa.Column("per_hour", sa.Double(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.ForeignKeyConstraint(
            ["hardware_id"], ["hardware.id"], name=op.f("fk_hardware_prices_hardware_id_hardware"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_hardware_prices_tenant_id_tenants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "hardware_id", name=op.f("pk_hardware_prices")),
    )
    op.create_table(
        "sites",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("public_key", sa.String(length=64), nullable=False),
        sa.Column("exported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_sites_tenant_id_tenants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sites")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_sites_tenant_id_name")),
        sa.UniqueConstraint("tenant_id", "public_key", name=op.f("uq_sites_tenant_id_public_key")),
    )
    op.create_table(
        "browser_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("api_key_id", sa.Uuid(), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["api_key_id"], ["api_keys.id"], name=op.f("fk_browser_sessions_api_key_id_api_keys"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_browser_sessions")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_browser_sessions_token_sha256")),
    )
    op.create_index(op.f("ix_browser_sessions_api_key_id"), "browser_sessions", ["api_key_id"], unique=False)
    op.create_index(op.f("ix_browser_sessions_expires_at"), "browser_sessions", ["expires_at"], unique=False)
    op.create_table(
        "dataset_annotations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("annotation_id", sa.BigInteger(), nullable=False),
        sa.Column("category_id", sa.BigInteger(), nullable=False),
        sa.Column("bbox", postgresql.ARRAY(sa.Float()), nullable=False),
        sa.Column("area", sa.Double(), nullable=False),
        sa.Column("iscrowd", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("segmentation", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_dataset_annotations_dataset_id_datasets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset_annotations")),
        sa.UniqueConstraint(
            "dataset_id", "annotation_id", name=op.f("uq_dataset_annotations_dataset_id_annotation_id")
        ),
    )
    op.create_index(
        "ix_dataset_annotations_dataset_image", "dataset_annotations", ["dataset_id", "image_id"], unique=False
    )
    op.create_table(
        "dataset_detections",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("detection_id", sa.BigInteger(), nullable=False),
        sa.Column("category_id", sa.BigInteger(), nullable=False),
        sa.Column("bbox", postgresql.ARRAY(sa.Float()), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_dataset_detections_dataset_id_datasets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset_detections")),
        sa.UniqueConstraint("dataset_id", "detection_id", name=op.f("uq_dataset_detections_dataset_id_detection_id")),
    )
    op.create_index(
        "ix_dataset_detections_dataset_image", "dataset_detections", ["dataset_id", "image_id"], unique=False
    )
    op.create_table(
        "dataset_images",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("image_id", sa.BigInteger(), nullable=True),
        sa.Column("file_name", sa.String(length=1024), nullable=False),
        sa.Column("uri", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("stated_width", sa.BigInteger(), nullable=True),
        sa.Column("stated_height", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_dataset_images_dataset_id_datasets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset_images")),
        sa.UniqueConstraint("dataset_id", "file_name", name=op.f("uq_dataset_images_dataset_id_file_name")),
        sa.UniqueConstraint("dataset_id", "image_id", name=op.f("uq_dataset_images_dataset_id_image_id")),
        sa.UniqueConstraint("dataset_id", "position", name=op.f("uq_dataset_images_dataset_id_position")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=True),
        sa.Column("task", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "running",
                "completed",
                "failed",
                "cancelled",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("image_count", sa.Integer(), nullable=False),
        sa.Column("max_failure_rate", sa.Double(), nullable=False),
        sa.Column("evaluate", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("idempotency_key", sa.String(length=200), nullable=True),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("correlation_id", sa.String(length=128), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_message", sa.String(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("plan_failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name=op.f("fk_jobs_dataset_id_datasets")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_jobs_tenant_id_tenants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("tenant_id", "idempotency_key", name=op.f("uq_jobs_tenant_id_idempotency_key")),
    )
    op.create_index(op.f("ix_jobs_dataset_id"), "jobs", ["dataset_id"], unique=False)
    op.create_index(
        "ix_jobs_deleted", "jobs", ["deleted_at"], unique=False, postgresql_where=sa.text("deleted_at IS NOT NULL")
    )
    op.create_index(
        "ix_jobs_open", "jobs", ["state"], unique=False, postgresql_where=sa.text("state IN ('queued', 'running')")
    )
    op.create_index("ix_jobs_tenant_page", "jobs", ["tenant_id", "created_at", "id"], unique=False)
    op.create_table(
        "login_links",
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("api_key_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["api_key_id"], ["api_keys.id"], name=op.f("fk_login_links_api_key_id_api_keys"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_login_links")),
    )
    op.create_index(op.f("ix_login_links_api_key_id"), "login_links", ["api_key_id"], unique=False)
    op.create_index(op.f("ix_login_links_expires_at"), "login_links", ["expires_at"], unique=False)
    op.create_table(
        "job_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("from_state", sa.String(length=32), nullable=True),
        sa.Column("to_state", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_events_job_id_jobs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_events")),
    )
    op.create_index(op.f("ix_job_events_job_id"), "job_events", ["job_id"], unique=False)
    op.create_table(
        "runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("variant", sa.String(length=100), nullable=False),
        sa.Column("pool", sa.String(length=100), nullable=False),
        sa.Column("task", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "running",
                "finishing",
                "completed",
                "failed",
                "cancelled",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("succeeded", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("masks", sa.BigInteger(), nullable=False),
        sa.Column(
            "provenance", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("gates", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_message", sa.String(), nullable=True),
        sa.Column("quality_error_code", sa.String(length=64), nullable=True),
        sa.Column("quality_error_message", sa.String(), nullable=True),
        sa.Column("evaluations_begun", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finish_failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("waiting_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("turn_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stalled_code", sa.String(length=64), nullable=True),
        sa.Column("stalled_message", sa.String(), nullable=True),
        sa.Column("stalled_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tidied_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "succeeded >= 0 AND failed >= 0 AND succeeded + failed <= total", name=op.f("ck_runs_counts")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_runs_job_id_jobs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint("job_id", "variant", "pool", name=op.f("uq_runs_job_id_variant_pool")),
    )
    op.create_index(
        "ix_runs_open",
        "runs",
        ["state"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'running', 'finishing')"),
    )
    op.create_index(
        "ix_runs_untidy",
        "runs",
        ["finished_at"],
        unique=False,
        postgresql_where=sa.text("finished_at IS NOT NULL AND tidied_at IS NULL"),
    )
    op.create_table(
        "image_results",
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_image_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("shard_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum("succeeded", "failed", name="outcome", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_message", sa.String(), nullable=True),
        sa.Column("error_stage", sa.String(length=32), nullable=True),
        sa.Column("part_key", sa.String(), nullable=False),
        sa.Column("part_line", sa.Integer(), nullable=False),
        sa.Column("mask_count", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("hardware_id", sa.Uuid(), nullable=True),
        sa.Column("checkpoint_sha256", sa.String(length=64), nullable=True),
        sa.Column("batch_size", sa.Integer(), nullable=True),
        sa.Column("clock", sa.String(length=16), nullable=True),
        sa.Column("warmup", sa.Boolean(), nullable=True),
        sa.Column("peak_memory_bytes", sa.BigInteger(), nullable=True),
        sa.Column("peak_reserved_bytes", sa.BigInteger(), nullable=True),
        sa.Column("energy_j", sa.Double(), nullable=True),
        sa.Column("queue_shard_ms", sa.Double(), nullable=True),
        sa.Column("queue_triton_ms", sa.Double(), nullable=True),
        sa.Column("fetch_ms", sa.Double(), nullable=True),
        sa.Column("preprocess_ms", sa.Double(), nullable=True),
        sa.Column("preprocess_batch_ms", sa.Double(), nullable=True),
        sa.Column("encode_ms", sa.Double(), nullable=True),
        sa.Column("encode_batch_ms", sa.Double(), nullable=True),
        sa.Column("decode_ms", sa.Double(), nullable=True),
        sa.Column("decode_batch_ms", sa.Double(), nullable=True),
        sa.Column("postprocess_ms", sa.Double(), nullable=True),
        sa.Column("postprocess_batch_ms", sa.Double(), nullable=True),
        sa.Column("store_ms", sa.Double(), nullable=True),
        sa.Column("quality_instances", sa.Integer(), nullable=True),
        sa.Column("quality_iou_sum", sa.Double(), nullable=True),
        sa.CheckConstraint("(outcome = 'failed') = (error_code IS NOT NULL)", name=op.f("ck_image_results_error")),
        sa.ForeignKeyConstraint(["hardware_id"], ["hardware.id"], name=op.f("fk_image_results_hardware_id_hardware")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_image_results_run_id_runs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "dataset_image_id", name=op.f("pk_image_results")),
    )
    op.create_index(
        "ix_image_results_failures",
        "image_results",
        ["run_id", "image_id"],
        unique=False,
        postgresql_where=sa.text("outcome = 'failed'"),
    )
    op.create_index("ix_image_results_image", "image_results", ["run_id", "image_id"], unique=True)
    op.create_table(
        "report_series",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("site", sa.String(length=100), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=True),
        sa.Column("exported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("origin_run_id", sa.Uuid(), nullable=False),
        sa.Column("origin_job_id", sa.Uuid(), nullable=False),
        sa.Column("variant", sa.String(length=100), nullable=False),
        sa.Column("pool", sa.String(length=100), nullable=False),
        sa.Column("dataset", sa.String(length=200), nullable=False),
        sa.Column("dataset_content", sa.String(length=64), nullable=True),
        sa.Column("hardware_id", sa.Uuid(), nullable=True),
        sa.Column("code_version", sa.String(length=64), nullable=False),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("parameters_sha256", sa.String(length=64), nullable=False),
        sa.CheckConstraint(
            "site_id IS NULL OR (run_id IS NULL AND exported_at IS NOT NULL)", name=op.f("ck_report_series_of_a_site")
        ),
        sa.ForeignKeyConstraint(["hardware_id"], ["hardware.id"], name=op.f("fk_report_series_hardware_id_hardware")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name=op.f("fk_report_series_run_id_runs"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["site_id"], ["sites.id"], name=op.f("fk_report_series_site_id_sites"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_report_series_tenant_id_tenants"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_series")),
    )
    op.create_index("ix_report_series_dataset", "report_series", ["tenant_id", "dataset_content"], unique=False)
    op.create_index("ix_report_series_origin", "report_series", ["tenant_id", "site", "origin_run_id"], unique=False)
    op.create_index(op.f("ix_report_series_run_id"), "report_series", ["run_id"], unique=False)
    op.create_index("ix_report_series_site_id", "report_series", ["site_id", "origin_run_id"], unique=False)
    op.create_index("ix_report_series_tenant", "report_series", ["tenant_id", "site", "variant"], unique=False)
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
    op.create_table(
        "shards",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("first_position", sa.Integer(), nullable=False),
        sa.Column("last_position", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "queued",
                "leased",
                "done",
                "cancelled",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("waits", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("suspect", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("worker", sa.String(length=200), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("part_key", sa.String(), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.CheckConstraint("(state = 'leased') = (lease_expires_at IS NOT NULL)", name=op.f("ck_shards_lease")),
        sa.CheckConstraint("state <> 'done' OR part_key IS NOT NULL", name=op.f("ck_shards_part")),
        sa.CheckConstraint("first_position <= last_position", name=op.f("ck_shards_positions")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_shards_run_id_runs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shards")),
        sa.UniqueConstraint("run_id", "index", name=op.f("uq_shards_run_id_index")),
    )
    op.create_index(
        "ix_shards_open",
        "shards",
        ["state", "lease_expires_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'leased')"),
    )
    op.create_table(
        "rollups",
        sa.Column("series_id", sa.BigInteger(), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("batch_class", sa.Integer(), nullable=False),
        sa.Column("warmup", sa.Boolean(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("sum_ms", sa.Double(), nullable=False),
        sa.Column("first_bucket", sa.Integer(), nullable=False),
        sa.Column("counts", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column(
            "histogram",
            sa.Numeric(),
            sa.Computed("rollup_histogram(first_bucket, counts)", persisted=True),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("instances", sa.BigInteger(), nullable=False),
        sa.Column("iou_sum", sa.Double(), nullable=False),
        sa.Column("energy_j", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("energy_images", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["series_id"], ["report_series.id"], name=op.f("fk_rollups_series_id_report_series"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("series_id", "stage", "hour", "batch_class", "warmup", name=op.f("pk_rollups")),
    )
    op.create_table(
        "series_quality",
        sa.Column("series_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("metric", sa.String(length=16), nullable=False),
        sa.Column("area", sa.String(length=16), nullable=False),
        sa.Column("max_detections", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("instances", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["series_id"],
            ["report_series.id"],
            name=op.f("fk_series_quality_series_id_report_series"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("series_id", "metric", "area", "max_detections", name=op.f("pk_series_quality")),
    )
    op.execute(CONTENT)


def downgrade() -> None:
    op.execute("DROP FUNCTION dataset_content(uuid)")
    op.drop_table("series_quality")
    op.drop_table("rollups")
    op.drop_index("ix_shards_open", table_name="shards", postgresql_where=sa.text("state IN ('queued', 'leased')"))
    op.drop_table("shards")
    op.drop_table("run_quality")
    op.drop_index("ix_report_series_tenant", table_name="report_series")
    op.drop_index("ix_report_series_site_id", table_name="report_series")
    op.drop_index(op.f("ix_report_series_run_id"), table_name="report_series")
    op.drop_index("ix_report_series_origin", table_name="report_series")
    op.drop_index("ix_report_series_dataset", table_name="report_series")
    op.drop_table("report_series")
    op.drop_index("ix_image_results_image", table_name="image_results")
    op.drop_index(
        "ix_image_results_failures", table_name="image_results", postgresql_where=sa.text("outcome = 'failed'")
    )
    op.drop_table("image_results")
    op.drop_index(
        "ix_runs_untidy", table_name="runs", postgresql_where=sa.text("finished_at IS NOT NULL AND tidied_at IS NULL")
    )
    op.drop_index(
        "ix_runs_open", table_name="runs", postgresql_where=sa.text("state IN ('queued', 'running', 'finishing')")
    )
    op.drop_table("runs")
    op.drop_index(op.f("ix_job_events_job_id"), table_name="job_events")
    op.drop_table("job_events")
    op.drop_index(op.f("ix_login_links_expires_at"), table_name="login_links")
    op.drop_index(op.f("ix_login_links_api_key_id"), table_name="login_links")
    op.drop_table("login_links")
    op.drop_index("ix_jobs_tenant_page", table_name="jobs")
    op.drop_index("ix_jobs_open", table_name="jobs", postgresql_where=sa.text("state IN ('queued', 'running')"))
    op.drop_index("ix_jobs_deleted", table_name="jobs", postgresql_where=sa.text("deleted_at IS NOT NULL"))
    op.drop_index(op.f("ix_jobs_dataset_id"), table_name="jobs")
    op.drop_table("jobs")
    op.drop_table("dataset_images")
    op.drop_index("ix_dataset_detections_dataset_image", table_name="dataset_detections")
    op.drop_table("dataset_detections")
    op.drop_index("ix_dataset_annotations_dataset_image", table_name="dataset_annotations")
    op.drop_table("dataset_annotations")
    op.drop_index(op.f("ix_browser_sessions_expires_at"), table_name="browser_sessions")
    op.drop_index(op.f("ix_browser_sessions_api_key_id"), table_name="browser_sessions")
    op.drop_table("browser_sessions")
    op.drop_table("sites")
    op.drop_table("hardware_prices")
    op.drop_index("ix_datasets_tenant_page", table_name="datasets")
    op.drop_index("ix_datasets_open", table_name="datasets", postgresql_where=sa.text("state = 'open'"))
    op.drop_index("ix_datasets_deleted", table_name="datasets", postgresql_where=sa.text("deleted_at IS NOT NULL"))
    op.drop_table("datasets")
    op.drop_index(op.f("ix_api_keys_tenant_id"), table_name="api_keys")
    op.drop_table("api_keys")
    op.drop_index(op.f("ix_worker_heartbeats_pool"), table_name="worker_heartbeats")
    op.drop_table("worker_heartbeats")
    op.drop_table("tenants")
    op.drop_table("store_walks")
    op.drop_index(op.f("ix_removed_prefixes_due_at"), table_name="removed_prefixes")
    op.drop_table("removed_prefixes")
    op.drop_table("hardware")
    op.execute("DROP FUNCTION rollup_histogram(integer, integer[])")
