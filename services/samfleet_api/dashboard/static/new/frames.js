// The choice of frames of videos, animations and files with pages, which become images of the dataset.

import { h } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";
import { labelled } from "/dashboard/static/new/fields.js";
import { settingField } from "/dashboard/static/new/setting_field.js";

/** @typedef {import("/dashboard/static/new/setting_field.js").Schema} Schema */
/** @typedef {import("/dashboard/static/new/setting_field.js").Setting} Setting */
/** @typedef {Pick<Api.Dataset, "frame" | "frames">} Choice */
/** @typedef {{ element: HTMLElement, read(): Record<string, unknown>, fill(dataset: Choice): void, lock(locked: boolean): void, chosen(): boolean }} FrameFields */

/** @type {[way: string, text: string][]} */
const WAYS = [
  ["", "The first of each file"],
  ["all", "All frames"],
  ["every", "Every so many frames"],
  ["count", "Some, spread evenly"],
  ["every_seconds", "One every few seconds, of videos"],
  ["frame", "One, by its number"],
];
const STEPS = ["every", "count", "every_seconds"];
/** @type {Record<string, string>} */
const LABELS = {
  frame: "Number of the frame, from 0",
  every: "Take one of so many frames",
  count: "Frames of each file",
  every_seconds: "Seconds between two frames",
  most: "At most, of each file",
  start: "From second (videos)",
  end: "Until second (videos)",
};

// `schema` is that of the steps in the API; an empty field is left to the server.
/** @type {(schema: Record<string, Schema>, changed?: () => void) => FrameFields} */
export function frameFields(schema, changed = () => undefined) {
  const way = h(
    "select",
    { onchange: choose },
    WAYS.map(([value, text]) => h("option", { value }, text)),
  );
  const whole = { type: "integer", minimum: 0, maximum: schema.every.anyOf?.[0].maximum };
  /** @type {Map<string, Setting>} */
  const fields = new Map(
    Object.entries({ frame: whole, ...schema }).map(([name, one]) => [
      name,
      settingField(name, one, LABELS[name] ?? name, changed),
    ]),
  );
  const place = h("div", { class: "filters" });
  const element = h(
    "details",
    { class: "frames" },
    h("summary", {}, "Frames of videos, animations and TIFFs"),
    place,
    h("p", { class: "small soft" }, "Each frame becomes an image. Files with one picture stay as they are."),
  );
  function choose() {
    draw();
    changed();
  }
  function draw() {
    const names =
      way.value === "frame" ? ["frame"] : STEPS.includes(way.value) ? [way.value, "most", "start", "end"] : [];
    place.replaceChildren(
      labelled("frames", "Frames to take", way),
      ...names.flatMap((name) => fields.get(name)?.element ?? []),
    );
  }
  /** @param {string[]} names */
  const values = (names) =>
    Object.fromEntries(
      names.map((name) => [name, fields.get(name)?.read()]).filter(([, value]) => value !== undefined),
    );
  draw();
  return {
    element,
    chosen: () => way.value !== "",
    read() {
      if (way.value === "") return {};
      if (way.value === "all") return { frames: "all" };
      return way.value === "frame" ? values(["frame"]) : { frames: values([way.value, "most", "start", "end"]) };
    },
    fill({ frame, frames }) {
      const steps = typeof frames === "object" && frames ? frames : {};
      way.value = frame !== null ? "frame" : frames === "all" ? "all" : (STEPS.find((one) => one in steps) ?? "");
      for (const [name, field] of fields) field.fill(name === "frame" ? frame : steps[name]);
      draw();
    },
    lock(locked) {
      for (const field of element.querySelectorAll("select, input")) field.toggleAttribute("disabled", locked);
    },
  };
}

// The choice of a dataset, such as "1 frame every 2 s, at most 100 of a file"; "" if files were taken as they are.
/** @param {Choice} dataset */
export function framesInWords({ frame, frames }) {
  if (frame !== null) return `frame ${count(frame)} of each file`;
  if (frames === null) return "";
  if (typeof frames === "string") return "all frames";
  const { every, count: some, every_seconds: seconds, most, start, end } = frames;
  const step = every
    ? every === 1
      ? "all frames"
      : `1 of ${count(every)} frames`
    : some
      ? `${count(some)} frames of each file`
      : `1 frame every ${seconds} s`;
  return [
    step,
    start !== undefined && `from ${start} s`,
    end !== undefined && `until ${end} s`,
    most && `at most ${count(most)} of a file`,
  ]
    .filter(Boolean)
    .join(", ");
}
