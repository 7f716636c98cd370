import { filter, post } from "/dashboard/static/api.js";
import { h } from "/dashboard/static/dom.js";

// Only a page of this dashboard: an address from elsewhere must not become the way on from here.
function wayOn(next) {
  const target = new URL(next, location.origin);
  const ours = target.origin === location.origin && target.pathname.startsWith("/dashboard/");
  return ours ? target.pathname + target.search : "/dashboard/";
}

export function show(main) {
  document.title = "Log in · samfleet";
  const key = h("input", {
    id: "key",
    type: "password",
    autocomplete: "current-password",
    required: true,
    "aria-describedby": "help problem",
  });
  const problem = h("p", { id: "problem", class: "bad", role: "alert" });
  const button = h("button", { class: "main", type: "submit" }, "Log in");
  async function logIn(event) {
    event.preventDefault();
    button.disabled = true;
    problem.replaceChildren();
    try {
      await post("/dashboard/session", { key: key.value });
      location.assign(wayOn(filter("next", "/dashboard/")));
    } catch (error) {
      problem.replaceChildren(error.message);
      button.disabled = false;
      key.focus();
    }
  }
  const help = h(
    "p",
    { id: "help", class: "soft" },
    "The key that programs send too. An embedded stack keeps its key in the file .samfleet/api_key.",
  );
  const form = h("form", { onsubmit: logIn }, h("label", { for: "key" }, "API key", key), problem, button);
  main.replaceChildren(h("div", { class: "card login" }, h("h1", {}, "samfleet"), help, form));
  key.focus();
}
