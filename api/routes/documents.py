"""/openapi.json with a page at /docs to read it and try it, made of files that are served from here; /asyncapi.json."""

from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from swagger_ui_bundle import swagger_ui_path

# The viewer is older than OpenAPI 3.1 and refuses the number, though it shows all that this document uses: it gets the
# document under the number it knows.
_SCRIPT = """\
fetch("/openapi.json").then(answer => answer.json()).then(spec => SwaggerUIBundle({
  spec: {...spec, openapi: "3.0.3", servers: [{url: window.location.origin}]},
  dom_id: "#page",
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  persistAuthorization: false,
}));
"""

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tillstream API</title>
<link rel="icon" href="/docs/assets/favicon-32x32.png">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
<link rel="stylesheet" href="/docs/page.css">
</head>
<body>
<main id="page"></main>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/page.js"></script>
</body>
</html>
"""

_STYLE = """\
body { margin: 0; }
.swagger-ui .info { margin: 24px 0; }
.swagger-ui .info .title small.version-stamp:last-child { display: none; }
@media (max-width: 600px) {
  .swagger-ui .wrapper { padding: 0 10px; }
  .swagger-ui .opblock .opblock-summary-control { flex-wrap: wrap; }
  .swagger-ui .opblock .opblock-summary-path { flex: 1; max-width: none; word-break: break-word; }
  .swagger-ui .opblock .opblock-summary-description { flex: 0 0 90%; padding: 4px 10px; }
}
"""

_ONLY_FROM_HERE = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
}


def routes(openapi: dict[str, Any], asyncapi: dict[str, Any]) -> list[BaseRoute]:
    """Both documents as JSON, and the page that shows the first."""
    answers = {
        "/openapi.json": JSONResponse(openapi),
        "/asyncapi.json": JSONResponse(asyncapi),
        "/docs": HTMLResponse(_PAGE, headers=_ONLY_FROM_HERE),
        "/docs/page.js": Response(_SCRIPT, media_type="text/javascript"),
        "/docs/page.css": Response(_STYLE, media_type="text/css"),
    }
    fixed = [Route(path, _always(response), name=path) for path, response in answers.items()]
    return [*fixed, Mount("/docs/assets", StaticFiles(directory=swagger_ui_path))]


def _always(response: Response) -> Any:
    async def answer(_request: Request[Any]) -> Response:
        return response

    return answer
