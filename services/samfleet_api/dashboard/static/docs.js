// Shows the routes of the API. A file of its own, because the content security policy runs no inline script.
SwaggerUIBundle({ url: "/openapi.json", dom_id: "#routes", deepLinking: true, validatorUrl: null });
