// What became of a mask: in words, with a sign, and in colours that differ without colour vision too (Okabe and Ito 2008).

/** @type {Compare.Kind[]} */
export const KINDS = ["lost", "gained", "changed", "same"];

/** @type {Record<Compare.Kind, { sign: string, colour: Viewer.Colour, dashed: boolean, help: string }>} */
export const ABOUT = {
  lost: { sign: "−", colour: [230, 120, 0], dashed: true, help: "only run A has it" },
  gained: { sign: "+", colour: [60, 150, 240], dashed: true, help: "only the other run has it" },
  changed: { sign: "≠", colour: [240, 228, 66], dashed: false, help: "in both, with an IoU from 0.5 to 0.9" },
  same: { sign: "=", colour: [160, 168, 176], dashed: false, help: "in both, with an IoU of 0.9 or more" },
};

/** @type {Partial<Record<Compare.Kind, string>>} */
const HELP_BY_ANNOTATIONS = { lost: "an annotation that no mask matches", gained: "a mask that matches no annotation" };

/** @type {(kind: Compare.Kind, annotations: boolean) => string} */
export const helpOf = (kind, annotations) => (annotations && HELP_BY_ANNOTATIONS[kind]) || ABOUT[kind].help;

/** @param {Compare.Kind | null} kind */
export const colourOf = (kind) => ABOUT[kind ?? "same"].colour;
