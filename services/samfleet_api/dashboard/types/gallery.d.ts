// Types of the list of a run's images.

declare namespace Gallery {
  interface Choice {
    sort: string;
    /** Names and values of the API's parameters. */
    filters: [string, string][];
  }

  type Change = (changes: Record<string, string>) => void;

  type Load = (page: { limit: number; cursor?: string; from_position?: number }) => Promise<Api.ImageOfRunPage>;

  /** Cursors and lengths of the pages that were loaded, and the cursor of the next; null at the end. */
  interface Kept {
    known: [string, number][];
    next: string | null;
  }

  interface Pages {
    /** Number of images known so far. */
    count(): number;
    ended(): boolean;
    at(index: number): Api.ImageOfRun | undefined;
    /** Load the images with these indexes, and forget those far away. */
    need(first: number, last: number): Promise<void>;
    /** Load pages with pending images again. */
    renew(): Promise<void>;
    kept(): Kept;
  }

  interface Thumbnails {
    show(picture: HTMLImageElement, source: string): void;
    drop(picture: HTMLImageElement): void;
  }

  interface GridOptions {
    label: string;
    /** Number of lines of text below a picture. */
    lines: number;
    count(): number;
    /** A tile is drawn again when its key changes. */
    keyAt(index: number): string;
    tileAt(index: number): HTMLElement | undefined;
    need(first: number, last: number): void;
    dropped(item: HTMLElement): void;
  }

  interface Place {
    index: number;
    kept?: Kept;
  }

  interface Host {
    body: HTMLElement;
    status: HTMLElement;
  }
}
