// Types of the page that compares runs.

declare namespace Compare {
  /** What became of a mask between run A and another run. */
  type Kind = "lost" | "gained" | "changed" | "same";

  interface Side {
    /** A, B, C or D. */
    letter: string;
    run: Api.Run;
    job: Api.Job;
  }

  interface PlacedMask extends Api.Mask {
    /** x, y, width and height in pixels. */
    bbox: [number, number, number, number];
  }

  /** The image in one run; `problem` says why it has no masks to show. */
  interface SideImage {
    side: Side;
    image: Api.RunImage | null;
    problem: string | null;
    /** Kind of each mask, in the API's order; null if it could not be matched. */
    kinds: (Kind | null)[];
    /** The masks matched with those of run A; null for run A itself. */
    matched: Api.ImageComparison | null;
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
