// Types of the page that compares runs.

declare namespace Compare {
  /** What became of a mask between run A and another run. */
  type Kind = "lost" | "gained" | "changed" | "same";

  interface Side {
    /** A, B, C or D. */
    letter: string;
    /** Of the annotations: the first run that is compared with them. */
    run: Api.Run;
    job: Api.Job;
    /** The side is the dataset's annotations; only side A may be. */
    annotations: boolean;
  }

  /** Matched masks of an image; places are those of side A (`a`) and of the other side (`b`). */
  type Matched = Pick<Api.ImageComparison, "pairs" | "lost" | "gained">;

  /** What one side shows of an image: masks, or annotations in their place. */
  interface Shown {
    run_id: string;
    image_id: number;
    file_name: string | null;
    outcome: Api.Outcome;
    width: number | null;
    height: number | null;
    masks: Pick<Api.Mask, "segmentation" | "area" | "bbox">[];
    error: Api.ImageError | null;
    /** What the picture shows besides, in words. */
    note?: string;
  }

  interface PlacedMask extends Api.Mask {
    /** x, y, width and height in pixels. */
    bbox: [number, number, number, number];
  }

  /** The image in one run; `problem` says why it has no masks to show. */
  interface SideImage {
    side: Side;
    image: Shown | null;
    problem: string | null;
    /** Kind of each mask, in the API's order; null if it was not matched, as those of annotated groups. */
    kinds: (Kind | null)[];
    /** The masks matched with those of side A; null for A itself. */
    matched: Matched | null;
  }

  /** An object in the images of the runs. */
  interface Match {
    kind: Kind;
    iou: number | null;
    /** Pixels of the mask in the first run that has it. */
    area: number;
    /** Place of its mask in each run, by side; null where a run has none. */
    places: (number | null)[];
  }

  interface Picture {
    name: string;
    width: number;
    height: number;
    images: SideImage[];
    /** Place in `images` of the run that the list compares with run A. */
    against: number;
    matches: Match[];
  }

  interface Handlers {
    hover(match: number | null): void;
    pin(match: number | null): void;
  }

  /** What the list and the views show at the moment. */
  interface Selection {
    hidden: Set<Kind>;
    /** Places in `matches`. */
    hovered: number | null;
    pinned: number | null;
  }
}
