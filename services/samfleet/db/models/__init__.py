"""All tables: importing this module fills `Base.metadata`."""

from samfleet.db.base import Base
from samfleet.db.models.audit import AuditEvent
from samfleet.db.models.comparisons import ComparedImage, Comparison, ComparisonState
from samfleet.db.models.contents import ContentUse, StoredContent
from samfleet.db.models.datasets import (
    Dataset,
    DatasetAnnotation,
    DatasetDetection,
    DatasetImage,
    DatasetPrompts,
    DatasetSource,
    DatasetState,
)
from samfleet.db.models.deletions import Deleted, Deletion
from samfleet.db.models.exports import Export, ExportState
from samfleet.db.models.job_log import JobLogLine, LogLevel
from samfleet.db.models.jobs import Job, JobEvent, JobState, Run, RunState, Shard, ShardState
from samfleet.db.models.pulls import PullState, WeightPull
from samfleet.db.models.quality import RunQuality
from samfleet.db.models.reports import HardwarePrice, ReportSeries, Rollup
from samfleet.db.models.results import Hardware, ImageResult, Outcome, WorkerHeartbeat
from samfleet.db.models.reviews import ImageReview, MaskReview, MaskState, ReviewChange, RunReview
from samfleet.db.models.sites import SeriesQuality, Site
from samfleet.db.models.storage import RemovedPrefix, RunPicture, StoreWalk
from samfleet.db.models.tenants import ApiKey, BrowserSession, LoginLink, Scope, Tenant
from samfleet.db.models.turns import JobTurn, PoolTurn, TenantTurn
from samfleet.db.models.webhooks import (
    DeliveryState,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from samfleet.site_names import LOCAL_SITE

__all__ = [
    "LOCAL_SITE",
    "ApiKey",
    "AuditEvent",
    "Base",
    "BrowserSession",
    "ComparedImage",
    "Comparison",
    "ComparisonState",
    "ContentUse",
    "Dataset",
    "DatasetAnnotation",
    "DatasetDetection",
    "DatasetImage",
    "DatasetPrompts",
    "DatasetSource",
    "DatasetState",
    "Deleted",
    "Deletion",
    "DeliveryState",
    "Export",
    "ExportState",
    "Hardware",
    "HardwarePrice",
    "ImageResult",
    "ImageReview",
    "Job",
    "JobEvent",
    "JobLogLine",
    "JobState",
    "JobTurn",
    "LogLevel",
    "LoginLink",
    "MaskReview",
    "MaskState",
    "Outcome",
    "PoolTurn",
    "PullState",
    "RemovedPrefix",
    "ReportSeries",
    "ReviewChange",
    "Rollup",
    "Run",
    "RunPicture",
    "RunQuality",
    "RunReview",
    "RunState",
    "Scope",
    "SeriesQuality",
    "Shard",
    "ShardState",
    "Site",
    "StoreWalk",
    "StoredContent",
    "Tenant",
    "TenantTurn",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookEvent",
    "WeightPull",
    "WorkerHeartbeat",
]
