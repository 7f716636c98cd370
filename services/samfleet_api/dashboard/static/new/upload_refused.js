// Files that are not uploaded, with the reason of each.

import { h, table } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";

/** @typedef {import("/dashboard/static/new/files.js").Refusal} Refusal */

const SHOWN = 200;

/** @param {Refusal[]} refused */
export function refusedList(refused) {
  if (!refused.length) return "";
  const more = refused.length > SHOWN ? `, the first ${SHOWN} of them` : "";
  /** @type {Dom.Column<Refusal>[]} */
  const columns = [
    { title: "File", value: ({ name }) => name },
    { title: "Code", value: ({ code }) => h("code", {}, code) },
    { title: "Reason", value: ({ detail }) => detail },
  ];
  return h(
    "details",
    { open: refused.length <= 5 },
    h("summary", {}, `${count(refused.length)} files are not uploaded`),
    table(`Files that are not uploaded${more}`, columns, refused.slice(0, SHOWN)),
  );
}
