// Parts of the API's replies that its models leave open, by hand; api.d.ts refers to them.

declare namespace Api {
  interface Task {
    kind: string;
    prompt?: string;
    [setting: string]: unknown;
  }

  /** The parameters of a run, which the digest in a report's row names. */
  interface Parameters {
    task?: Partial<Task>;
    [name: string]: unknown;
  }

  /** A mask in COCO's compressed run-length code. */
  interface RunLengths {
    counts: string;
    /** Height and width in pixels. */
    size: [number, number];
  }

  interface Mask {
    segmentation: RunLengths;
    area: number;
    /** x, y, width and height in pixels. */
    bbox: [number, number, number, number];
    predicted_iou?: number | null;
    stability_score?: number | null;
    category_id?: number;
    score?: number;
  }

  interface WorkerDetail {
    servers?: { address: string; ready: boolean; version?: string; variants?: string[] }[];
  }

  /** Columns of every report. A dimension is present only if the report is grouped by it. */
  interface ReportRow {
    variant: string;
    hardware: string | null;
    hardware_id: string | null;
    stage: string;
    batch_size: number;
    precision: string | null;
    job: string | null;
    day: string;
    pool: string;
    dataset: string | null;
    site: string;
    code_version: string;
    parameters: string;
    task_in_words: string;
  }

  interface MeasuredRow extends ReportRow {
    n: number;
    failures: number;
  }

  interface LatencyRow extends MeasuredRow {
    mean_ms: number | null;
    p50_ms: number | null;
    p90_ms: number | null;
    p95_ms: number | null;
    p99_ms: number | null;
  }

  interface ThroughputRow extends MeasuredRow {
    wall_seconds: number;
    images_per_second: number | null;
    images_per_gpu_hour: number | null;
    gpu_busy_share: number | null;
    queue_share: number | null;
  }

  /** A measured row of the survey; each table has figures of its kind. */
  interface SurveyRow extends ReportRow {
    method?: string;
    boxes?: string;
    set?: string;
    n?: number;
    p50_ms?: number;
    low_ms?: number | null;
    high_ms?: number | null;
    lvis_ap?: number | null;
    miou?: number | null;
    ap?: number | null;
    ar_1000?: number | null;
    published?: number | null;
    [column: string]: string | number | boolean | null | undefined;
  }

  /** The day by day report: rows of latency or of throughput, so the figures of the other one are absent. */
  type TrendRow = LatencyRow & ThroughputRow;

  type QualityFigure =
    | "miou"
    | "miou_evaluated"
    | "miou_small"
    | "miou_medium"
    | "miou_large"
    | "ap"
    | "ap50"
    | "ap75"
    | "ap_small"
    | "ap_medium"
    | "ap_large"
    | "ar_1"
    | "ar_10"
    | "ar_100"
    | "ar_1000"
    | "ar_1000_small"
    | "ar_1000_medium"
    | "ar_1000_large"
    | "ap_agnostic"
    | "ap50_agnostic"
    | "ap75_agnostic"
    | "ap_agnostic_small"
    | "ap_agnostic_medium"
    | "ap_agnostic_large"
    | "lvis_ap"
    | "lvis_ap50"
    | "lvis_ap75"
    | "lvis_ap_small"
    | "lvis_ap_medium"
    | "lvis_ap_large"
    | "lvis_apr"
    | "lvis_apc"
    | "lvis_apf"
    | "lvis_ar"
    | "lvis_ar_small"
    | "lvis_ar_medium"
    | "lvis_ar_large";

  interface QualityRow extends MeasuredRow, Record<QualityFigure, number | null> {
    instances: number;
    runs_evaluated: number;
  }

  interface ParetoRow extends ReportRow {
    n: number;
    instances: number;
    miou: number | null;
    ap: number | null;
    ar_1000: number | null;
    lvis_ap: number | null;
    images_per_gpu_hour: number;
    images_per_second: number;
    cost_per_1000_images: number;
    /** Present if weighed against cost. */
    currency?: string | null;
    task: string;
    dominated: boolean;
  }

  interface ComparisonRow extends ReportRow {
    /** Names of the sides: of the machines, or the variants. */
    a_in_words: string;
    b_in_words: string;
    parameters_b: string;
    n_a: number;
    n_b: number;
    p50_a_ms: number;
    p50_b_ms: number;
    ratio: number | null;
    /** Both bounds are null if a side has too few batches for an interval. */
    ratio_low: number | null;
    ratio_high: number | null;
    p_value: number | null;
    /** Corrected for the number of pairs in the report. */
    p_corrected: number | null;
    verdict: "a is faster" | "b is faster" | "cannot tell";
  }

  interface CostRow extends ReportRow {
    n: number;
    hours: number;
    price_per_hour: number | null;
    currency: string | null;
    cost: number | null;
    cost_per_1000_images: number | null;
    energy_wh: number | null;
    wh_per_1000_images: number | null;
  }
}
