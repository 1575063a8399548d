"""The book, built once from a copy of the sources, served on this computer, in a real browser."""

import functools
import http.server
import os
import shutil
import threading

import pytest
from playwright.sync_api import sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def built_site(site_build):
    """The folder of the built site, made by the command that readers use."""
    process, copy = site_build
    status = process.wait(timeout=900)
    said = (copy / "build.log").read_text(encoding="utf-8")
    assert status == 0, said
    site = copy / "build" / "html"
    assert said.strip().endswith(str(site / "index.html"))
    return site


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="session")
def address(built_site):
    """Where the site is served."""
    handler = functools.partial(Quiet, directory=str(built_site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        reason = f"no browser here: looked for {', '.join(BROWSERS)}; install Debian's chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, address):
    """``open_page(name, width=1280, palette="light")`` opens a page as a reader would."""
    contexts = []

    def open_(name, width=1280, palette="light", prepare=lambda page: None):
        context = browser.new_context(viewport={"width": width, "height": 900})
        contexts.append(context)
        context.add_init_script(
            f"if (!localStorage.getItem('mode')) {{ localStorage.setItem('mode', '{palette}');"
            f" localStorage.setItem('theme', '{palette}'); }}"
        )
        page = context.new_page()
        prepare(page)
        page.goto(f"{address}/{name}.html")
        return page

    yield open_
    for context in contexts:
        context.close()
