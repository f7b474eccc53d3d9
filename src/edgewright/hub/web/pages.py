"""The dashboard: a page for people, its parts as htmx polls them, and the way in and out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

from litestar import MediaType, Request, Response, Router, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency, Provide
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect
from litestar.static_files import create_static_files_router

from edgewright.contract.api import LoginDraft, Overview
from edgewright.contract.errors import EdgewrightError, NotFound, NotLoggedIn
from edgewright.hub.app import Hub
from edgewright.hub.govern import Permission, Principal, require
from edgewright.hub.web import acting, browsing, drifting, labelling, studying, views
from edgewright.hub.web.arguments import Caller, TheHub
from edgewright.hub.web.browsing.frame import page
from edgewright.hub.web.forms import MAX_FORM_BYTES, refuse_foreign
from edgewright.hub.web.observation import overview_of, silence_s
from edgewright.hub.web.principals import COOKIE, of_page
from edgewright.hub.web.rendering import render
from edgewright.hub.web.replies import on_refusal

FOLDER = Path(__file__).parent
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; object-src 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
PARTS: Mapping[str, Callable[[views.Glance], object]] = {
    "summary": views.summary,
    "fleet": views.fleet,
    "rollouts": views.rollouts,
    "drift": drifting.drift,
    "versions": views.versions,
    "runs": views.runs,
}
FRESH_S = 1.0
FRESH_FOR_COST = 20
"""A look that took long is shown for longer: open pages cost the hub a twentieth of a core at most."""
Form = Annotated[LoginDraft, Body(media_type=RequestEncodingType.URL_ENCODED)]
Page = Response[Any]
TheGlance = NamedDependency[views.Glance]


def routes() -> list[Router]:
    """All pages, with their own headers, their own way to know who asks, and the way to the login page."""
    static = create_static_files_router("/static", directories=[FOLDER / "static"], after_request=_secure_static)
    handlers = [login_form, login, logout, dashboard, overview_json, partial, *studying.HANDLERS, *browsing.HANDLERS]
    handlers += [*labelling.HANDLERS, *acting.HANDLERS]
    pages = Router(
        "/",
        route_handlers=handlers,
        dependencies={
            "principal": Provide(of_page, sync_to_thread=True),
            "glance": Provide(_shared_glance(), sync_to_thread=True),
        },
        exception_handlers={NotLoggedIn: _to_login, EdgewrightError: _refusal},
        after_request=_secure,
        include_in_schema=False,
    )
    return [pages, static]


@get("/login", media_type=MediaType.HTML, sync_to_thread=True)
def login_form() -> str:
    """The form to log in with."""
    return render("login.html", user="", error="")


@post("/login", sync_to_thread=True, request_max_body_size=MAX_FORM_BYTES)
def login(request: Request[Any, Any, Any], data: Form, hub: TheHub) -> Page:
    """Trade a password for a cookie; a wrong one shows the form again."""
    refuse_foreign(request)
    try:
        reply = hub.people.login(data.user, data.password)
    except NotLoggedIn as error:
        page = render("login.html", user=data.user, error=error.message)
        return Response(page, status_code=error.http_status, media_type=MediaType.HTML)
    is_secure = request.url.scheme == "https"
    cookie = Cookie(key=COOKIE, value=reply.token, path="/", httponly=True, samesite="strict", secure=is_secure)
    return Redirect("/", status_code=303, cookies=[cookie])


@post("/logout", sync_to_thread=True, request_max_body_size=MAX_FORM_BYTES)
def logout(request: Request[Any, Any, Any], hub: TheHub) -> Page:
    """End the token, and forget the cookie."""
    refuse_foreign(request)
    hub.people.logout(request.cookies.get(COOKIE, ""))
    reply: Page = Redirect("/login", status_code=303)
    reply.delete_cookie(COOKIE, path="/")
    return reply


@get("/", media_type=MediaType.HTML, sync_to_thread=True)
def dashboard(glance: TheGlance, principal: Caller) -> str:
    """Everything at one glance."""
    return page("dashboard.html", principal, "/", "/overview.json", PARTS=PARTS, glance=glance)


@get("/overview.json", sync_to_thread=False)
def overview_json(glance: TheGlance) -> Overview:
    """The dashboard's JSON twin."""
    return glance.overview


@get("/partials/{name:str}", media_type=MediaType.HTML, sync_to_thread=True)
def partial(name: FromPath[str], glance: TheGlance) -> str:
    """One part of the dashboard, as it is now."""
    if name not in PARTS:
        raise NotFound(f"the dashboard has no part '{name}'", field="name", hint=f"Its parts: {', '.join(PARTS)}.")
    return render(f"partials/{name}.html", PARTS=PARTS, glance=glance)


def _shared_glance() -> Callable[[Hub, Principal], views.Glance]:
    """One look at the hub answers every poll of every open page within a second, or longer where it takes long."""
    lock = threading.Lock()
    latest: views.Glance | None = None
    fresh_s = FRESH_S

    def look(hub: TheHub, principal: Caller) -> views.Glance:
        nonlocal latest, fresh_s
        require(principal, Permission.READ)
        with lock:
            if latest is None or not 0 <= hub.clock() - latest.overview.at < fresh_s:
                began = time.perf_counter()
                latest = views.Glance(overview_of(hub), silence_s(hub))
                fresh_s = max(FRESH_S, FRESH_FOR_COST * (time.perf_counter() - began))
            return latest

    return look


def _to_login(request: Request[Any, Any, Any], error: NotLoggedIn) -> Page:
    """Send a person to the form, a poll of the page too; a program gets the refusal."""
    if request.url.path.endswith(".json"):
        return on_refusal(request, error)
    if "hx-request" in request.headers:
        return Response(b"", status_code=error.http_status, headers={"HX-Redirect": "/login"})
    return Redirect("/login", status_code=303)


def _refusal(request: Request[Any, Any, Any], error: EdgewrightError) -> Page:
    """A refusal as a page where a person looks, else as any program gets it."""
    if "text/html" not in request.headers.get("accept", ""):
        return on_refusal(request, error)
    return Response(render("refusal.html", error=error), status_code=error.http_status, media_type=MediaType.HTML)


def _secure(response: Page) -> Page:
    response.headers["Cache-Control"] = "no-store"
    response.headers.update(SECURITY_HEADERS)
    return response


def _secure_static(response: Page) -> Page:
    response.headers["Cache-Control"] = "no-cache"
    response.headers.update(SECURITY_HEADERS)
    return response
