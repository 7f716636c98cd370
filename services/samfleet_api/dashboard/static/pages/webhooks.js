import { get, patch, post } from "/dashboard/static/api.js";
import { facts, h, notice, table } from "/dashboard/static/dom.js";
import { count, moment } from "/dashboard/static/format.js";

const SHOWN = 20; // deliveries of a webhook
/** @type {Record<string, string>} */
const TONES = { delivered: "good", pending: "wait", failed: "bad" };

/** @type {(text: string, act: () => Promise<unknown>, said: HTMLElement, done: () => unknown) => HTMLElement} */
function button(text, act, said, done) {
  /** @type {HTMLButtonElement} */
  const made = h("button", { type: "button", onclick: click }, text);
  async function click() {
    made.disabled = true;
    try {
      await act();
      await done();
    } catch (error) {
      said.replaceChildren(h("span", { class: "bad" }, error.message));
    }
    made.disabled = false;
  }
  return made;
}

/** @param {Api.Webhook} webhook */
function stateOf(webhook) {
  if (webhook.enabled) {
    const failing = webhook.failing_since && `failing since ${moment(webhook.failing_since)}`;
    return failing ? h("span", { class: "wait" }, failing) : h("span", { class: "good" }, "enabled");
  }
  const why = webhook.disabled_reason ? `disabled by the server: ${webhook.disabled_reason}` : "disabled";
  return h("span", { class: "bad" }, why);
}

/** @param {Api.Delivery} delivery */
function outcome({ last_attempt: last }) {
  if (!last) return "not sent yet";
  return last.error_message ?? `status ${last.status}`;
}

/** @type {(webhook: Api.Webhook, rows: Api.Delivery[], said: HTMLElement, again: () => unknown) => HTMLElement} */
function deliveries(webhook, rows, said, again) {
  if (!rows.length) return h("p", { class: "soft" }, "Nothing was sent yet.");
  /** @param {Api.Delivery} row */
  const replay = (row) =>
    button("Send again", () => post(`/v1/webhooks/${webhook.id}/deliveries/${row.id}/replay`), said, again);
  return table(
    `Last messages to ${webhook.url}`,
    [
      { title: "Type", value: (row) => row.type },
      { title: "Written", value: (row) => moment(row.created_at) },
      { title: "State", value: (row) => h("span", { class: TONES[row.state] ?? null }, row.state) },
      { title: "Attempts", number: true, value: (row) => count(row.attempts) },
      { title: "Last attempt", value: outcome },
      { title: "Replay", value: (row) => (webhook.enabled ? replay(row) : "") },
    ],
    rows,
  );
}

/** @param {Api.Webhook} webhook */
async function card(webhook) {
  const path = `/v1/webhooks/${webhook.id}`;
  const place = h("article", { class: "card" });
  const said = h("p", { role: "status" });
  /** @param {Api.Webhook} shown */
  async function fill(shown) {
    /** @type {Api.DeliveryPage} */
    const page = await get(`${path}/deliveries?limit=${SHOWN}`);
    const again = async () => fill(await get(path));
    said.replaceChildren();
    const actions = h(
      "p",
      {},
      shown.enabled ? button("Send a test", () => post(`${path}/test`), said, again) : null,
      " ",
      button(shown.enabled ? "Disable" : "Enable", () => patch(path, { enabled: !shown.enabled }), said, again),
    );
    place.replaceChildren(
      h("div", { class: "head" }, h("h2", {}, shown.url), h("code", { class: "soft" }, shown.id.slice(0, 8))),
      facts([
        ["State", stateOf(shown)],
        ["Events", shown.events.join(", ") || "all"],
        ["Description", shown.description],
      ]),
      actions,
      said,
      deliveries(shown, page.items, said, again),
    );
  }
  await fill(webhook);
  return place;
}

/** @param {HTMLElement} main */
export async function show(main) {
  document.title = "Webhooks · samfleet";
  /** @type {Api.WebhookPage} */
  const webhooks = await get("/v1/webhooks");
  const cards = await Promise.all(webhooks.items.map(card));
  const none = notice("No webhook yet", "Create one: samfleet webhooks create https://example.com/samfleet");
  main.replaceChildren(h("h1", {}, "Webhooks"), ...(cards.length ? cards : [none]));
}
