from __future__ import annotations

import httpx

from fixtures.api.running_api import Api


def test_the_documentation_page_loads_scripts_only_from_this_server(api: Api) -> None:
    page = httpx.get(f"{api.url}/docs")
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "https://" not in page.text
    for path in ("/docs/static/swagger-ui-bundle.js", "/docs/static/swagger-ui.css", "/dashboard/static/docs.js"):
        assert f'"{path}"' in page.text
        assert httpx.get(api.url + path).status_code == 200
    assert httpx.get(f"{api.url}/redoc").status_code == 404
