// Show the routes of the API. This is a separate file because the content security policy forbids inline scripts.

// Swagger UI puts a link into the button that unfolds a route, and leaves out a level of headings. Both are faults for
// screen readers. The address still names the route that is unfolded.
/** @param {{ React: Swagger.React }} system */
const accessible = ({ React: { createElement } }) => ({
  components: {
    /** @param {{ text: string }} properties */
    DeepLink: ({ text }) => createElement("span", null, text),
  },
  wrapComponents: {
    /** @param {unknown} Operations */
    operations: (Operations) => (/** @type {object} */ properties) =>
      createElement(
        "div",
        null,
        createElement("h2", { className: "visually-hidden" }, "Routes"),
        createElement(Operations, properties),
      ),
  },
});

// The style sheet of Swagger UI is dark under a class of the root element.
const dark = matchMedia("(prefers-color-scheme: dark)");
const followScheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followScheme);
followScheme();

const routes = /** @type {HTMLElement} */ (document.getElementById("routes"));

// Names for the choices of examples, keyboard access to the code blocks that scroll, and no landmarks without a name.
function completeControls() {
  for (const choice of routes.querySelectorAll("select:not([aria-label])"))
    choice.setAttribute("aria-label", "Example");
  for (const unnamed of routes.querySelectorAll("table[role=region]")) unnamed.removeAttribute("role");
  for (const code of routes.querySelectorAll("pre:not([tabindex])")) code.setAttribute("tabindex", "0");
}

new MutationObserver(completeControls).observe(routes, { childList: true, subtree: true });
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#routes",
  deepLinking: true,
  validatorUrl: null,
  plugins: [accessible],
});
