"""From a request to its route, by the parts of its path."""

from collections.abc import Sequence
from typing import Any

from starlette.convertors import StringConvertor
from starlette.routing import BaseRoute, Route, Router
from starlette.types import Receive, Scope, Send

_PARAMETER, _HERE = (
    object(),
    object(),
)  # In a tree, beside the parts of paths: any part at all, and the route that ends here.

_Node = dict[object, Any]
_Leaf = tuple[Route, tuple[str, ...]]  # With the names of its parameters.


class Dispatch:
    """An ASGI application over routes.

    Most of them are found in as many steps as their path has parts. Starlette's router, which tries one regular expression
    after the other, is left for what is rarer: paths that hold slashes, mounted files, methods and paths that are not there.
    """

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self.routes = routes
        self._router = Router(routes, redirect_slashes=False)  # A redirected POST is a POST lost, with some clients.
        self._trees: dict[str, _Node] = {}
        for route in routes:
            if isinstance(route, Route) and all(
                type(each) is StringConvertor for each in route.param_convertors.values()
            ):
                self._plant(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = None
        if scope["type"] == "http" and not scope.get("root_path"):
            found = self._find(scope["method"], scope["path"])
        if found is None:
            scope["app"] = self  # Makes the router raise its refusals, so that they are answered in our shape.
            await self._router(scope, receive, send)
            return
        (route, names), values = found
        scope["route"] = route
        scope["path_params"] = dict(zip(names, values, strict=True))
        await route.app(scope, receive, send)

    def _plant(self, route: Route) -> None:
        for method in route.methods or ():
            node = self._trees.setdefault(method, {})
            for part in route.path.split("/"):
                node = node.setdefault(_PARAMETER if part.startswith("{") else part, {})
            node.setdefault(_HERE, (route, tuple(route.param_convertors)))  # The first one answers, as in the router.

    def _find(self, method: str, path: str) -> tuple[_Leaf, Sequence[str]] | None:
        """A route and the values of its parameters, in order; None where the router is to say what there is."""
        node, values = self._trees.get(method, {}), []
        for part in path.split("/"):
            known = node.get(part)
            if known is None:
                known = node.get(_PARAMETER) if part else None
                if known is None:
                    return None
                values.append(part)
            node = known
        leaf = node.get(_HERE)
        return (leaf, values) if leaf else None
