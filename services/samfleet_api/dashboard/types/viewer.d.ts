// Types of the image view and of the viewer's page.

declare namespace Viewer {
  /** Red, green and blue, 0 to 255. */
  type Colour = [number, number, number];

  interface ViewMask {
    segmentation: Api.RunLengths;
    colour: Colour;
    shown: boolean;
  }

  /** Part of the image that a view shows. */
  interface Frame {
    /** CSS pixels per image pixel. */
    scale: number;
    /** Image pixel at the centre of the view. */
    x: number;
    y: number;
  }

  interface Size {
    width: number;
    height: number;
  }

  interface Point {
    x: number;
    y: number;
  }

  /** A contour over the masks, such as an annotation. */
  interface Outline {
    segmentation: Api.RunLengths;
    colour: Colour;
    dashed: boolean;
  }

  interface Style {
    drawn: "fill" | "contours" | "both";
    /** Of the fill, 0 to 1. */
    opacity: number;
  }

  /** A zoomable picture with masks over it. Indexes are those of the list given to `setMasks`. */
  interface View {
    /** Fills its parent. Sets `aria-busy` while masks are decoded. */
    readonly element: HTMLElement;
    /** `width` and `height`: the frame of the masks in pixels; the source is stretched to it. */
    setPicture(source: CanvasImageSource | null, width: number, height: number): void;
    /** Decodes the masks again only if their segmentations are other objects than before. */
    setMasks(masks: ViewMask[]): void;
    /** Contours above the masks; they take no part in hovering. */
    setOutlines(outlines: Outline[]): void;
    setStyle(style: Style): void;
    /** Draws these masks completely, above the others, which are dimmed. */
    highlight(indexes: number[]): void;
    frame(): Frame;
    /** Calls the listeners of `onFrame` unless `quiet`. */
    setFrame(frame: Frame, options?: { quiet?: boolean }): void;
    /** Shows the whole image, also after a change of the view's size. */
    fit(options?: { quiet?: boolean }): void;
    /** Returns whether the view shows the whole image since `fit`. */
    fitted(): boolean;
    /** Zooms or pans by a key: + - 0, Shift and an arrow. Returns whether it was one of these. */
    pressKey(event: KeyboardEvent): boolean;
    onFrame(listener: (frame: Frame) => void): void;
    /** The smallest shown mask under the pointer. */
    onHover(listener: (index: number | null) => void): void;
    onClick(listener: (index: number | null, event: PointerEvent) => void): void;
    /** Stops the view's worker and observers. Call it when the element is removed. */
    close(): void;
  }

  /** The topmost mask of every pixel, column by column: its index + 1, or 0. */
  interface Labels extends Size {
    values: Uint16Array | Uint32Array;
  }

  /** Pixels of one mask: starts and ends of its runs, column by column. */
  interface Spans extends Size {
    bounds: Uint32Array;
  }

  /** Device pixels of a view, with `line` pixels more on each side for contours. */
  interface Screen extends Size {
    /** Device pixels per CSS pixel. */
    ratio: number;
    line: number;
    stride: number;
    rows: number;
  }

  /** Labels of a screen. */
  type Pixels = Uint16Array | Uint32Array;

  /** Position in the image, as a share of its width or height, of each column and row of a screen. */
  interface Grid {
    columns: Float64Array;
    rows: Float64Array;
  }

  /** Colours by label, as little-endian RGBA. */
  interface Palette {
    fill: Uint32Array;
    line: Uint32Array;
  }

  /** What the mask layer shows. */
  interface Drawing {
    levels: Labels[];
    masks: ViewMask[];
    style: Style;
    highlighted: [index: number, spans: Spans][];
    outlines: (Outline & { spans: Spans })[];
    frame: Frame;
    image: Size;
    /** The user zooms or pans; the layer may be coarser until it ends. */
    moving: boolean;
  }

  /** What gestures act on. Points are CSS pixels from the top left corner of the view. */
  interface Target {
    size(): Size;
    image(): Size;
    frame(): Frame;
    move(frame: Frame): void;
    zoom(point: Point, factor: number): void;
    fit(): void;
    hover(point: Point | null): void;
    click(point: Point, event: PointerEvent): void;
  }

  /** Message to the worker. Segmentations are sent only when they have changed. */
  interface DrawRequest {
    version: number;
    segmentations: Api.RunLengths[] | null;
    shown: Uint8Array;
    /** A buffer that is no longer used. */
    spare: ArrayBuffer | null;
  }

  interface DrawReply {
    version: number;
    /** Each has half the rows and columns of the one before. */
    levels: Labels[];
  }

  interface Selection {
    /** Indexes of the pinned masks, in ascending order. */
    get(): number[];
    set(indexes: number[]): void;
    onChange(listener: (indexes: number[]) => void): void;
  }

  /** What a panel beside the mask list works with. Indexes are positions in `masks`. */
  interface Context {
    run: Api.Run;
    image: Api.RunImage;
    /** In the API's order. */
    masks: Api.Mask[];
    selection: Selection;
    view: View;
    /** Draws the list and the masks again after a panel changed what they show. */
    refresh(): void;
  }

  /** What a panel says about a mask. */
  interface Mark {
    text: string;
    /** A class for the text, such as `good`. */
    tone: string | null;
    /** Takes the place of the mask's own colour. */
    colour: Colour | null;
    /** Takes the place of the result's category. */
    category: string | null;
  }

  type PanelFactory = (context: Context) => HTMLElement | null;

  /** A mask in the list. */
  interface MaskRow {
    /** Place in the API's order. */
    index: number;
    segmentation: Api.RunLengths;
    colour: Colour;
    area: number;
    predicted: number | null;
    stability: number | null;
    /** IoU with the best annotation; null if unknown. */
    iou: number | null;
    category: string;
    box: [number, number, number, number];
  }

  type SortKey = "index" | "category" | "area" | "predicted" | "stability" | "iou" | "box";

  interface Sort {
    key: SortKey;
    descending: boolean;
  }

  interface Filters {
    /** Least predicted IoU. */
    score: number | null;
    least: number | null;
    most: number | null;
    category: string;
    /** Agreement with the annotations at IoU 0.5. */
    fit: "" | "right" | "wrong";
  }

  /** Everything of the page that its address keeps. */
  interface Choices {
    frame: Frame | null;
    pins: number[];
    hidden: Set<number>;
    style: Style;
    truth: "off" | "over" | "instead";
    filters: Filters;
    sort: Sort;
  }

  interface GridColumn<Row> {
    key: string;
    title: string;
    /** Width in the list's grid, such as `5rem`. */
    width: string;
    number?: boolean;
    sorts?: boolean;
    /** The column is left out of lists narrower than this. */
    least?: "wide" | "medium";
    cell(row: Row): Node | string;
  }

  interface GridOptions<Row> {
    label: string;
    columns: GridColumn<Row>[];
    /** Called with the active or hovered row, or null. */
    onHover(row: Row | null): void;
    onChoose(row: Row): void;
    /** Other keys; returns whether it used the key. */
    onKey?(event: KeyboardEvent, row: Row): boolean;
    onSort?(key: string): void;
    isChosen(row: Row): boolean;
  }

  /** What the parts of the page share. Listeners are called after each change. */
  interface PageSession {
    run: Api.Run;
    image: Api.RunImage;
    choices: Choices;
    rows: MaskRow[];
    annotations: Api.ImageAnnotations | null;
    view: View;
    onRefresh: (() => void)[];
    onHover: ((indexes: number[]) => void)[];
    onPins: ((indexes: number[]) => void)[];
    readonly selection: Selection;
    /** Rows that pass the filters, in the order of the list. */
    listed(): MaskRow[];
    /** Draws masks and list again, and writes the address. */
    refresh(): void;
    hover(indexes: number[]): void;
    pin(index: number): void;
    setPins(indexes: number[]): void;
    toggleHidden(index: number): void;
    /** x, y, width and height in image pixels. */
    zoomTo(box: number[]): void;
  }
}
