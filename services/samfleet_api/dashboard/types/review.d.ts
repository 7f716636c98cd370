// Types of the review of an image's masks.

declare namespace Review {
  /** Decision about a mask. `merged` are the indexes of its object, null for a mask alone. */
  interface Decision {
    state: Api.MaskState;
    category: string | null;
    merged: number[] | null;
  }

  type Decisions = Map<number, Decision & Partial<Api.ReviewedMask>>;

  /** As `PATCH …/review` takes it. */
  interface Change {
    masks: number[];
    state?: Api.MaskState;
    category?: string | null;
    merge?: boolean;
  }

  /** State of saving: `failed` keeps the change for another attempt, `refused` drops it because the server never takes
   * it, `conflict` means that another reviewer was first. */
  type Saving = "saved" | "saving" | "failed" | "refused" | "conflict";

  interface Action {
    key: string;
    /** Of its button; an action without a text has only its key. */
    text?: string;
    help: string;
    act(): void;
    main?: boolean;
  }
}
