// Types that several scripts of the dashboard share.

/** Elements, as dom.js makes them. */
declare namespace Dom {
  type Child = Node | string | null | undefined;

  /** A method, so that a handler may name the event that it is for. */
  type Handler = { handle(event: Event): unknown }["handle"];

  /** A function is the handler of the event that follows `on` in its name. */
  type Attributes = Record<string, string | number | boolean | null | undefined | Handler>;

  /** An event of a field, whose value the handler reads. */
  type FieldEvent<Field extends HTMLInputElement | HTMLSelectElement> = Event & { target: Field };

  interface Column<Row> {
    title: string;
    number?: boolean;
    value(row: Row): Child;
  }
}

declare namespace Charts {
  /** Pixels of a value. */
  interface Scale {
    (value: number): number;
    ticks(wanted: number): number[];
  }

  type Shape = "circle" | "square" | "triangle" | "diamond" | "plus" | "down" | "bar";

  interface Look {
    colour: string;
    shape: Shape;
  }

  interface Drawing {
    height: number;
    marks: Node[];
  }

  interface Row {
    name: string;
    value: string;
    tip: string;
  }

  interface Group<R extends Row> {
    name: string;
    rows: R[];
  }

  interface RowsOptions<R extends Row> {
    scale(from: number, to: number): Scale;
    axis: string;
    mark(row: R, y: number, at: Scale): Node[];
    under?(at: Scale, bottom: number, width: number): Node[];
  }

  interface LegendItem {
    name: string;
    colour?: string;
    shape?: Shape;
    line?: boolean;
    dashed?: boolean;
    hollow?: boolean;
    marks?: Node;
  }

  interface LinePoint {
    at: number;
    value: number;
    tip: string;
  }

  interface Line extends Look {
    name: string;
    dashed?: boolean;
    points: LinePoint[];
  }

  /** A time at which something changed, such as the version of the code. */
  interface Change {
    at: number;
    name: string;
  }

  interface LinesOptions {
    changes?: Change[];
    /** Ratio of the largest to the smallest value above which the axis is logarithmic. */
    logAbove?: number;
    /** Title of the vertical axis. */
    y: string;
    /** Text of a time at the axis. */
    moment(at: number): string;
    /** Times at the axis. */
    ticks(first: number, last: number, most: number): number[];
    /** Room on both sides of a single time. */
    air: number;
    height?: number;
    from?: number | null;
    until?: number | null;
  }

  interface ScatterPoint extends Look {
    x: number;
    y: number;
    name: string;
    tip: string;
    dominated: boolean;
  }

  interface BarRow extends Row {
    colour: string;
    length: number;
  }

  interface RangeRow extends Row {
    colour: string;
    /** p50, p90, p95 and p99. */
    percentiles: number[];
  }

  interface RatioRow extends Row {
    ratio: number;
    low: number | null;
    high: number | null;
    certain: boolean;
  }
}

declare namespace Reports {
  type Dimension = "variant" | "hardware" | "stage" | "batch_size" | "precision" | "job" | "day" | "pool" | "dataset";

  /** Choices of the filters. */
  interface Known {
    any: boolean;
    /** Latency of whole images by variant, hardware, precision, pool and dataset. */
    rows: Api.ReportRow[];
    variants: string[];
    precisions: string[];
    pools: string[];
    datasets: string[];
    sites: string[];
    /** Names by id. */
    hardware: Map<string, string>;
    hardwareIds: string[];
    /** Names by id. */
    jobs: Map<string, string>;
  }

  /** Called after a change of the address; `anew` draws the filters again as well. */
  type Changed = (anew?: boolean) => void;

  /** Parameters of the request, or the element that replaces the report. */
  type Request =
    | { own: [string, string][]; report?: string; instead?: undefined }
    | { instead: Element; own?: undefined; report?: undefined };

  /** A row for charts: `measured` is true for it, so the figures that they draw are numbers. */
  type Measured<Row, Field extends keyof Row> = Row & { [Name in Field]: NonNullable<Row[Name]> };

  /** The title of a chart and the chart. */
  type Chart = [title: string | Element | null, chart: Element];

  /** The mark of a row in a chart; `grouped` adds its name. */
  type Make<Row, Mark extends Charts.Row> = (row: Row, title: string) => Omit<Mark, "name">;

  /** One report. `Field`: the figures that its charts draw. */
  interface Definition<Row extends Api.ReportRow, Field extends keyof Row = never> {
    title: string;
    lead: string;
    caption: string;
    /** Titles of the columns that follow the name on a phone. */
    main?: string[];
    /** Title if the API returns no row. */
    nothing?: string;
    /** Text if the API returns no row. */
    empty?: string;
    /** Text if no row is measured. */
    unmeasured?: string;
    controls(known: Known, changed: Changed): Node[];
    ask(known: Known): Request;
    measured(row: Row): boolean;
    charts(rows: Measured<Row, Field>[], answer: Api.Report, known: Known): Chart[];
    columns(rows: Row[]): Dom.Column<Row>[];
    /** A section between the chart and the table. */
    more?(answer: Api.Report, known: Known, changed: Changed): Element;
  }
}

declare namespace Swagger {
  /** The part of React that a plug-in of Swagger UI gets. */
  interface React {
    createElement(type: unknown, properties: object | null, ...children: unknown[]): unknown;
  }
}

/** Swagger UI, which docs.html loads before docs.js. */
declare function SwaggerUIBundle(options: Record<string, unknown>): unknown;
