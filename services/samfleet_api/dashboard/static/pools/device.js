// The load of a device: values that it does not report (a CPU has no power reading) are left out.

import { h } from "/dashboard/static/dom.js";
import { duration, percent } from "/dashboard/static/format.js";

const HEARD_LATELY_S = 90;

/** @param {Api.Device} one */
export function deviceOf(one) {
  const seen = (Date.now() - Date.parse(one.seen_at)) / 1000;
  const used = one.memory_used_bytes ?? 0;
  const memory =
    one.memory_total_bytes &&
    gauge("Memory", used / one.memory_total_bytes, `${gib(used)} of ${gib(one.memory_total_bytes)} GiB`);
  const more = [
    one.utilization !== null && `utilization ${percent(one.utilization)}`,
    one.power_watts !== null && `${one.power_watts.toFixed(0)} W`,
    seen > HEARD_LATELY_S && `last seen ${duration(seen)} ago`,
  ];
  return h(
    "section",
    { class: "device", "aria-label": one.name },
    h("h4", {}, one.name),
    gauge("Busy", one.busy_share, percent(one.busy_share)),
    memory || "",
    h("p", { class: "soft small" }, more.filter(Boolean).join(" · ")),
  );
}

/** @param {number} bytes */
const gib = (bytes) => (bytes / 2 ** 30).toFixed(1);

/** @type {(name: string, share: number, text: string) => HTMLElement} */
function gauge(name, share, text) {
  return h(
    "div",
    { class: "gauge" },
    h("span", { class: "soft" }, name),
    h("meter", { min: 0, max: 1, value: share, "aria-label": `${name}: ${text}` }),
    h("span", {}, text),
  );
}
