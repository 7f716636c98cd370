// Show the routes of the API. This is a separate file because the content security policy forbids inline scripts.
SwaggerUIBundle({ url: "/openapi.json", dom_id: "#routes", deepLinking: true, validatorUrl: null });
