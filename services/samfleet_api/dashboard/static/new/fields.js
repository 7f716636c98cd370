// Fields of the form, and the places where errors stand.

import { h } from "/dashboard/static/dom.js";

let made = 0;

// A labelled field with a place for its error. `name` is that of the request's field.
/** @type {(name: string, label: string, field: HTMLElement, help?: string) => HTMLElement} */
export function labelled(name, label, field, help) {
  made += 1;
  field.id ||= `new-${name}-${made}`;
  const notes = [
    help ? h("span", { class: "small soft", id: `${field.id}-help` }, help) : null,
    errorPlace(name, field),
  ];
  const described = notes.filter((one) => one !== null).map((one) => one.id);
  field.setAttribute("aria-describedby", described.join(" "));
  return h("div", { class: "new-field" }, h("label", { for: field.id }, label), field, ...notes);
}

/** @type {(name: string, field?: HTMLElement) => HTMLElement} */
export function errorPlace(name, field) {
  made += 1;
  const place = h("span", { class: "small bad", id: `new-error-${made}`, role: "alert", "data-error": name });
  if (field) place.dataset.field = field.id;
  return place;
}

// Fields of the request that an error without locations is about, by the beginning of its code.
/** @type {[RegExp, string][]} */
const FIELDS = [
  [/^(variant|licence|weights)/, "variants"],
  [/^pool/, "pools"],
  [/^labels_invalid/, "labels"],
  [/^(task|prompt|detections_missing|annotation_masks|reuse)/, "task"],
  [/^annotations_missing/, "task"],
  [/^(dataset|job_too_large)/, "dataset_id"],
  [/^s3_profile/, "profile"],
  [/^(directory|bucket|s3_url|url|archive|manifest|dataset_empty)/, "place"],
  [/^annotations/, "annotations_path"],
  [/^detections/, "detections_path"],
];

/** @type {(code: string) => string | undefined} */
const fieldOf = (code) => FIELDS.find(([pattern]) => pattern.test(code))?.[1];

/** @param {ParentNode} form */
export function clearErrors(form) {
  for (const place of form.querySelectorAll("[data-error]")) {
    place.replaceChildren();
    if (place instanceof HTMLElement && place.dataset.field)
      document.getElementById(place.dataset.field)?.removeAttribute("aria-invalid");
  }
}

// Put the errors of a refused request beside their fields. Returns what no field could take. Where a field is either a
// word or an object, the API also says that the object is not this word; that is left out.
/** @type {(form: ParentNode, error: Error & { code?: string, errors?: Api.FieldError[] }) => string[]} */
export function showErrors(form, error) {
  clearErrors(form);
  const located = error.errors?.filter(({ location }) => !String(location.at(-1)).startsWith("literal["));
  const found = located?.length
    ? located.map(({ location, message }) => ({ names: location.slice(1).map(String), message }))
    : [{ names: [fieldOf(error.code ?? "") ?? ""], message: error.message }];
  const rest = [];
  for (const { names, message } of found) {
    const place = placeOf(form, names);
    if (place) place.append(place.textContent ? `; ${message}` : message);
    else rest.push(names.filter(Boolean).length ? `${names.join(".")}: ${message}` : message);
  }
  return rest;
}

// The place of the innermost name that has one: an error at `task.tile.size` stands there, or else at the task.
/** @type {(form: ParentNode, names: string[]) => Element | null} */
function placeOf(form, names) {
  for (const name of [...names].reverse()) {
    const place = name ? form.querySelector(`[data-error="${CSS.escape(name)}"]`) : null;
    if (!(place instanceof HTMLElement)) continue;
    const field = place.dataset.field ? document.getElementById(place.dataset.field) : null;
    field?.setAttribute("aria-invalid", "true");
    const folded = place.closest("details");
    if (folded) folded.open = true;
    return place;
  }
  return null;
}
