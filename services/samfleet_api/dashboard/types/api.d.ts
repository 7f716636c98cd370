// Written by `make generated` from the models of the REST API; edit those.

declare namespace Api {
  interface ActedOn {
    job_id: string;
    name: string | null;
    state: JobState | null;
    exports: number;
    error: Failure | null;
  }

  interface ActedOnJobs {
    items: ActedOn[];
    next: string | null;
  }

  interface AddedByHash {
    missing: string[];
    added: number;
    present: number;
  }

  interface Advice {
    recommended: boolean;
    summary: string;
    hardware: string;
    dataset: string | null;
    notes: string[];
    candidates: AdviceCandidate[];
    settings: AdviceSettings | null;
    steps: AdviceStep[];
    steps_left_out: number;
    survey: AdviceSurvey | null;
  }

  interface AdviceCandidate {
    rank: number;
    status: "recommended" | "fits" | "possible" | "excluded";
    reason: string;
    variant: string;
    title: string;
    execution: string;
    hardware: string | null;
    hardware_id: string | null;
    pool: string | null;
    site: string | null;
    task_in_words: string;
    code_version: string | null;
    failures: number;
    older: number;
    code_licence: string | null;
    weights_licence: string | null;
    checks: AdviceCheck[];
    figures: AdviceFigure[];
    hints: AdviceHint[];
  }

  interface AdviceCheck {
    measure: string;
    verdict: "meets" | "fails" | "cannot tell" | "unknown" | "would meet" | "would fail";
    limit: number | null;
    words: string;
    figure: AdviceFigure;
  }

  interface AdviceFigure {
    measure: string;
    title: string;
    value: number | null;
    unit: string;
    n: number | null;
    counted: string;
    low: number | null;
    high: number | null;
    evidence: "measured here" | "measured at site" | "measured elsewhere" | "published" | "counted" | "record" | "unknown";
    where: string;
    value_in_words: string | null;
    evidence_in_words: string;
  }

  interface AdviceHint {
    measure: string;
    value: number;
    unit: string;
    source: string;
    words: string;
  }

  interface AdviceSettings {
    environment: Record<string, string>;
    job: Record<string, unknown>;
    command: string;
  }

  interface AdviceStep {
    variant: string;
    command: string;
    reason: string;
    job: Record<string, unknown> | null;
  }

  interface AdviceSurvey {
    variants: string[];
    command: string;
    reason: string;
  }

  interface AllowedSource {
    source: DatasetSource;
    places: string[];
  }

  interface AnnotatedObject {
    annotation_id: number;
    category_id: number;
    category: string | null;
    bbox: number[];
    area: number;
    iscrowd: boolean;
    segmentation: RunLengths;
    iou: number | null;
    mask_index: number | null;
    found: boolean | null;
  }

  interface AnnotationComparison {
    run_id: string;
    image_id: number;
    annotated: boolean;
    pairs: AnnotationPair[];
    lost: number[];
    gained: number[];
    ignored: number[];
    mean_iou: number | null;
  }

  interface AnnotationCoverage {
    images: number;
    annotated_images: number;
    annotations: number;
    unused: number;
    boxes: number;
  }

  interface AnnotationPair {
    annotation: number;
    mask: number;
    iou: number;
    changed: boolean;
  }

  interface Attempt {
    at: string;
    duration_ms: number;
    status: number | null;
    error_code: string | null;
    error_message: string | null;
    reply: string | null;
  }

  interface Changes {
    new: number;
    changed: number;
    gone: number;
    unchanged: number;
  }

  interface Checkpoint {
    filename: string;
    size_bytes: number | null;
    sha256: string | null;
  }

  interface CocoRunLengths {
    size: number[];
    counts: string;
  }

  interface ComparedImage {
    image_id: number;
    file_name: string;
    position: number;
    masks_a: number;
    masks_b: number;
    matched: number;
    changed: number;
    lost: number;
    gained: number;
    mean_iou: number | null;
    disagreement: number;
    iou_a: number | null;
    iou_b: number | null;
    iou_change: number | null;
  }

  interface ComparedImagePage {
    items: ComparedImage[];
    next: string | null;
  }

  interface Comparison {
    id: string;
    a: ComparisonSide;
    b: ComparisonSide;
    state: ComparisonState;
    progress: number;
    outdated: boolean;
    summary: ComparisonSummary | null;
    error: Failure | null;
    created_at: string;
    started_at: string | null;
    finished_at: string | null;
  }

  interface ComparisonPage {
    items: Comparison[];
    next: string | null;
  }

  interface ComparisonSide {
    run_id: string;
    job_id: string;
    job_name: string | null;
    variant: string;
    pool: string;
    dataset_id: string;
    dataset: string;
    task: Record<string, unknown>;
    task_in_words: string;
    hardware: HardwareName[];
    in_words: string;
  }

  type ComparisonState = "queued" | "running" | "completed" | "failed";

  interface ComparisonSummary {
    images: number;
    masks_a: number;
    masks_b: number;
    matched: number;
    changed: number;
    lost: number;
    gained: number;
    mean_iou: number | null;
    agreement: number;
  }

  interface Condition {
    code: ConditionCode;
    message: string;
    needs_action: boolean;
  }

  type ConditionCode = "ready" | "starting" | "idle" | "no_worker" | "triton_away";

  interface Counts {
    total: number;
    succeeded: number;
    failed: number;
    in_progress: number;
  }

  interface Dataset {
    id: string;
    name: string;
    labels: Record<string, string>;
    notes: string | null;
    source: DatasetSource;
    state: DatasetState;
    image_count: number;
    listed: number;
    annotation_count: number | null;
    annotated_image_count: number | null;
    unused_annotation_count: number | null;
    box_annotation_count: number | null;
    detection_count: number | null;
    prompt_count: number | null;
    prompted_image_count: number | null;
    frame: number | null;
    frames: string | Record<string, number | number> | null;
    left_out: LeftOut[];
    created_at: string;
    sealed_at: string | null;
    error?: DatasetError | null;
    version: number;
    series_id: string;
    base_id: string | null;
    changes: Changes | null;
  }

  interface DatasetError {
    code: string;
    message: string;
  }

  interface DatasetPage {
    items: Dataset[];
    next: string | null;
  }

  type DatasetSource = "directory" | "upload" | "s3" | "manifest" | "archive";

  interface DatasetSources {
    items: AllowedSource[];
    uploads: UploadLimits;
  }

  type DatasetState = "listing" | "open" | "sealed" | "failed";

  type Deleted = "job" | "dataset";

  interface Delivery {
    id: string;
    message_id: string;
    type: string;
    state: string;
    attempts: number;
    created_at: string;
    due_at: string | null;
    finished_at: string | null;
    last_attempt: Attempt | null;
  }

  interface DeliveryPage {
    items: Delivery[];
    next: string | null;
  }

  interface Device {
    id: string;
    hardware_id: string | null;
    name: string;
    kind: string;
    busy_share: number;
    memory_used_bytes: number | null;
    memory_total_bytes: number | null;
    utilization: number | null;
    power_watts: number | null;
    seen_at: string;
  }

  interface EstimatedFigure {
    value: number | null;
    low: number | null;
    high: number | null;
    known: "measured" | "documented" | "unknown";
    runs: number;
    images: number;
    source: string;
  }

  interface EstimatedFigures {
    images: number;
    seconds: EstimatedFigure;
    images_per_second: number | null;
    cost: EstimatedFigure;
    currency: string | null;
    database_bytes: EstimatedFigure;
    object_bytes: EstimatedFigure;
  }

  interface EstimatedRun {
    images: number;
    seconds: EstimatedFigure;
    images_per_second: number | null;
    cost: EstimatedFigure;
    currency: string | null;
    database_bytes: EstimatedFigure;
    object_bytes: EstimatedFigure;
    variant: string;
    pool: string;
    task_in_words: string;
  }

  interface Export {
    id: string;
    run_id: string;
    job_id: string;
    format: string;
    options: Record<string, unknown>;
    state: ExportState;
    progress: number;
    outdated: boolean;
    file_name: string;
    media_type: string;
    bytes: number | null;
    sha256: string | null;
    keep_days: number | null;
    expires_at: string | null;
    error: Failure | null;
    created_at: string;
    started_at: string | null;
    finished_at: string | null;
  }

  interface ExportEstimate {
    bytes: number | null;
    exact: boolean;
    images: number;
    sampled: number;
    sha256: string | null;
  }

  interface ExportFormats {
    items: FormatHelp[];
    options: OptionHelp[];
  }

  interface ExportPage {
    items: Export[];
    next: string | null;
  }

  type ExportState = "queued" | "running" | "completed" | "failed";

  interface Failure {
    code: string;
    message: string;
  }

  interface FailureGroup {
    code: string;
    stage: string | null;
    images: number;
    message: string;
    run_ids: string[];
    first: FirstFailure;
  }

  interface FailureGroups {
    items: FailureGroup[];
  }

  interface FieldError {
    location: (string | number)[];
    message: string;
    type: string;
  }

  interface Figure {
    metric: "miou" | "ar" | "ap" | "ap50" | "ap75" | "ap_agnostic" | "ap50_agnostic" | "ap75_agnostic" | "lvis_ap" | "lvis_ap50" | "lvis_ap75" | "lvis_apr" | "lvis_apc" | "lvis_apf" | "lvis_ar";
    area: "all" | "small" | "medium" | "large";
    max_detections: number;
    value: number;
    instances: number;
    low: number | null;
    high: number | null;
  }

  interface FirstFailure {
    run_id: string;
    image_id: number;
    file_name: string;
  }

  interface FormatHelp {
    name: string;
    description: string;
    media_type: string;
    extension: string;
  }

  interface Gate {
    hardware_id: string;
    execution: string;
    warmup_seconds: number | null;
    images: number;
    reference_masks: number;
    candidate_masks: number;
    agreeing_share: number;
    paired_iou: number;
    count_ratio: number;
    boxes: number;
    box_agreeing_share: number;
    box_iou: number;
    worst_image: string;
    worst_share: number;
    points_per_side: number;
    measured_at: string;
  }

  interface HardwareName {
    id: string;
    device_name: string;
    device_kind: string;
    precision: string;
    compilation: string;
  }

  interface ImageAnnotations {
    run_id: string;
    image_id: number;
    annotated: boolean;
    annotations: AnnotatedObject[];
    masks: MaskMatch[];
    categories: UsedCategory[];
  }

  interface ImageComparison {
    image_id: number;
    run_a: string;
    run_b: string;
    pairs: MaskPair[];
    lost: number[];
    gained: number[];
    mean_iou: number | null;
    disagreement: number;
  }

  interface ImageError {
    code: string;
    message: string;
    stage: string | null;
  }

  interface ImageHash {
    name: string;
    size_bytes: number;
    sha256: string;
  }

  interface ImageOfRun {
    image_id: number;
    file_name: string;
    outcome: ListedOutcome;
    mask_count: number | null;
    error_code: string | null;
    image_ms: number | null;
    predicted_iou: number | null;
    iou: number | null;
  }

  interface ImageOfRunPage {
    items: ImageOfRun[];
    next: string | null;
  }

  interface ImageReview {
    run_id: string;
    image_id: number;
    version: number;
    reviewed: boolean;
    counts: MaskCounts;
    masks: ReviewedMask[];
  }

  interface ImageToReview {
    image_id: number | null;
    file_name: string | null;
  }

  interface Job {
    id: string;
    parent_id: string | null;
    name: string | null;
    labels: Record<string, string>;
    notes: string | null;
    state: JobState;
    dataset_id: string;
    dataset_name: string | null;
    task: Task;
    task_in_words: string;
    priority: number;
    keep_days: number | null;
    expires_at: string | null;
    evaluate: boolean;
    annotations: AnnotationCoverage | null;
    created_at: string;
    started_at: string | null;
    finished_at: string | null;
    error: Failure | null;
    stalled: Stalled | null;
    counts: Counts;
    reuse_results: boolean;
    exports: JobExport[];
    images_reused: number;
    progress: number;
    images_per_second: number | null;
    eta_seconds: number | null;
    runs: Run[];
  }

  interface JobChange {
    id: number;
    at: string;
    run_id: string | null;
    variant: string | null;
    pool: string | null;
    from_state: string | null;
    to_state: string;
    actor: string;
    key: string | null;
    reason: string | null;
  }

  interface JobChangePage {
    items: JobChange[];
    next: string | null;
  }

  interface JobCount {
    count: number;
    is_exact: boolean;
  }

  interface JobEstimate {
    runs: EstimatedRun[];
    total: EstimatedFigures;
    notes: string[];
  }

  interface JobExport {
    format: string;
    options: Record<string, unknown>;
    keep_days: number | null;
  }

  interface JobPage {
    items: Job[];
    next: string | null;
  }

  interface JobReview {
    items: RunReviewCounts[];
  }

  type JobState = "queued" | "running" | "paused" | "completed" | "completed_with_errors" | "failed" | "cancelled";

  interface JobStorage {
    total: StorageUse;
    results: StorageUse;
    pictures: StorageUse;
    exports: StorageUse;
  }

  interface JobThroughput {
    seconds_per_point: number;
    started_at: string | null;
    runs: RunThroughput[];
  }

  type JsonValue = unknown;

  interface LargestItem {
    bytes: number;
    objects: number;
    rows: number;
    kind: Deleted;
    id: string;
    name: string | null;
  }

  interface LeftOut {
    reason: "hidden" | "system" | "state" | "format" | "archive" | "name" | "other";
    count: number;
    examples: string[];
  }

  type ListedOutcome = "succeeded" | "failed" | "pending";

  interface LoadingVariant {
    variant: string;
    address: string;
    since: string;
  }

  type LogLevel = "info" | "warning" | "error";

  interface LogLine {
    id: number;
    at: string;
    level: LogLevel;
    code: string;
    message: string;
    run_id: string | null;
    variant: string | null;
    pool: string | null;
    shard: number | null;
  }

  interface LogLinePage {
    items: LogLine[];
    next: string | null;
  }

  interface MaskCounts {
    total: number;
    accepted: number;
    rejected: number;
    deleted: number;
    undecided: number;
  }

  interface MaskMatch {
    iou: number | null;
    annotation_id: number | null;
  }

  interface MaskPair {
    a: number;
    b: number;
    iou: number;
    changed: boolean;
  }

  type MaskState = "accepted" | "rejected" | "deleted" | "undecided";

  interface Neighbour {
    image_id: number;
    file_name: string;
    outcome: Outcome;
  }

  interface Neighbours {
    image_id: number;
    position: number;
    total: number;
    previous: Neighbour | null;
    next: Neighbour | null;
  }

  interface OptionHelp {
    name: string;
    default: boolean | number | number | string;
    description: string;
    choices: string[] | null;
  }

  type Outcome = "succeeded" | "failed";

  interface OwnWork {
    job_id: string;
    job_name: string | null;
    run_id: string;
    variant: string;
    shards: number;
    images: number;
  }

  interface Paper {
    title: string;
    arxiv: string;
  }

  interface PersonReview {
    actor: string;
    key: string | null;
    accepted: number;
    rejected: number;
    deleted: number;
  }

  interface Pool {
    name: string;
    ready: boolean;
    workers: Worker[];
    condition: Condition;
    loading: LoadingVariant[];
    work: OwnWork[];
    queue: Queue;
    devices: Device[];
    triton_versions: string[];
    warnings: string[];
  }

  interface PoolWeights {
    pool: string;
    present: boolean | null;
  }

  interface Pools {
    items: Pool[];
  }

  interface Problem {
    type?: string;
    title: string;
    status: number;
    code: string;
    detail: string;
    instance?: string | null;
    errors?: FieldError[] | null;
  }

  interface Provenance {
    title?: string;
    code_licence?: string;
    weights_licence?: string;
    repository?: string;
    arxiv?: string;
    checkpoint_sha256?: string[];
  }

  type PullState = "queued" | "running" | "completed" | "failed" | "cancelled";

  interface Quality {
    miou: number;
    instances: number;
  }

  interface Queue {
    images_waiting: number;
    images_in_progress: number;
    shards_waiting: number;
    shards_in_progress: number;
  }

  interface Report {
    rows: ReportRow[];
    parameters: Record<string, Parameters>;
    note?: string | null;
  }

  interface ReviewedImages {
    total: number;
    reviewed: number;
    started: number;
  }

  interface ReviewedMask {
    mask: number;
    state: MaskState;
    category: string | null;
    merged: number[] | null;
    at: string;
    actor: string;
    key: string | null;
  }

  interface Run {
    id: string;
    job_id: string;
    variant: string;
    pool: string;
    state: RunState;
    counts: Counts;
    images_reused: number;
    masks: number;
    images_per_second: number | null;
    hardware: HardwareName[];
    provenance: Provenance;
    gates: Gate[];
    task: Record<string, unknown>;
    quality: Quality | null;
    evaluation: Figure[];
    quality_error: Failure | null;
    stages?: Record<string, Stage>;
    error: Failure | null;
    stalled: Stalled | null;
    started_at: string | null;
    finished_at: string | null;
  }

  interface RunImage {
    run_id: string;
    image_id: number;
    file_name: string;
    outcome: Outcome;
    width: number | null;
    height: number | null;
    masks: Mask[];
    error: ImageError | null;
    stages: Record<string, StageTime>;
    round_trip_ms: number | null;
    batch_size: number | null;
    clock: string | null;
    warmup: boolean | null;
    peak_memory_bytes: number | null;
    peak_reserved_bytes: number | null;
    energy_j: number | null;
    other_load: number | null;
    hardware_id: string | null;
    checkpoint_sha256: string | null;
    reused_from: string | null;
    code_licence: string;
    weights_licence: string;
  }

  interface RunReviewCounts {
    run_id: string;
    version: number;
    images: ReviewedImages;
    masks: MaskCounts;
    people: PersonReview[];
  }

  interface RunReviewProgress {
    run_id: string;
    version: number;
    images: ReviewedImages;
    masks: MaskCounts;
    people: PersonReview[];
    categories: string[];
  }

  type RunState = "queued" | "running" | "paused" | "finishing" | "completed" | "failed" | "cancelled";

  interface RunThroughput {
    run_id: string;
    variant: string;
    pool: string;
    points: ThroughputPoint[];
  }

  interface SessionView {
    tenant: string;
    key_name: string;
    expires_at: string;
    csrf_token: string;
  }

  interface Stage {
    n: number;
    mean_ms: number;
    p50_ms: number;
    p90_ms: number;
    p95_ms: number;
    p99_ms: number;
  }

  interface StageList {
    items: StageName[];
  }

  interface StageName {
    name: string;
    on_device: boolean;
  }

  interface StageTime {
    ms: number;
    batch_ms: number | null;
  }

  interface Stalled {
    code: string;
    message: string;
    since: string;
  }

  interface Storage {
    tenant: string;
    total: StorageUse;
    uploads: StorageUse;
    results: StorageUse;
    pictures: StorageUse;
    exports: StorageUse;
    largest: LargestItem[];
  }

  interface StorageUse {
    bytes: number;
    objects: number;
    rows: number;
  }

  interface Survey {
    source: string;
    tables: TableView[];
  }

  interface TableView {
    key: string;
    number: number | null;
    title: string;
    lead: string;
    columns: string[];
    rows: SurveyRow[];
    parameters: Record<string, Parameters>;
    published_columns: string[];
    published_rows: (Record<string, string | number | number | boolean | null>)[];
  }

  interface ThroughputPoint {
    at: string;
    images: number;
    failures: number;
    images_per_second: number;
  }

  interface UploadLimits {
    max_image_bytes: number;
    max_archive_bytes: number;
    max_hashes: number;
    image_suffixes: string[];
    frame_suffixes: string[];
    archive_suffixes: Record<string, string>;
  }

  interface UsedCategory {
    id: number;
    name: string;
  }

  interface Variant {
    name: string;
    title: string;
    family: string;
    input_size: number;
    parity: "golden" | "reference" | "keys" | "real" | "unverified";
    code_licence: string;
    weights_licence: string;
    licences_to_accept: string[];
    repository: string;
    paper: Paper;
    checkpoint: Checkpoint;
    weights_here: boolean | null;
    weights: PoolWeights[];
    everything: Record<string, unknown>;
  }

  interface Variants {
    items: Variant[];
  }

  interface Webhook {
    id: string;
    url: string;
    events: string[];
    description: string | null;
    enabled: boolean;
    disabled_reason: string | null;
    failing_since: string | null;
    previous_secret_until: string | null;
    created_at: string;
  }

  interface WebhookPage {
    items: Webhook[];
    next: string | null;
  }

  interface WeightPull {
    variant: string;
    state: PullState;
    file: string | null;
    done_bytes: number;
    total_bytes: number | null;
    error: Failure | null;
    requested_at: string;
    finished_at: string | null;
  }

  interface Worker {
    name: string;
    started_at: string;
    seen_at: string;
    triton_ready: boolean;
    detail: WorkerDetail;
  }
}
