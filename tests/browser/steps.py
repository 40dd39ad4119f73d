"""What every path shares: a Chromium without the network, and a few looks at a page."""

import contextlib

from playwright.sync_api import sync_playwright

PATIENCE_MS = 15_000

# Chromium as a test wants it: no calls home. --no-sandbox, because CI is root in a
# container and the pages are ours.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextlib.contextmanager
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", headless=True, args=FLAGS
        )
        try:
            yield browser
        finally:
            browser.close()


def context(browser, **options):
    """A window of its own; anything a page complains about fails the test."""
    options.setdefault("locale", "en-GB")
    new = browser.new_context(**options)
    new.set_default_timeout(PATIENCE_MS)
    new.complaints = []

    def watch(page):
        page.on("pageerror", lambda error: new.complaints.append(f"error: {error}"))
        page.on("console", lambda message: note(message))

    def note(message):
        # A cut connection is told to the console by the browser itself, not by the page.
        if message.type == "error" and "net::ERR_" not in message.text:
            new.complaints.append(f"console: {message.text}")

    new.on("page", watch)
    return new


def opened(window, link):
    page = window.new_page()
    page.goto(link)
    page.locator("main").wait_for()
    assert page.locator("#rows").count() == 1, page.content()
    return page


def send(publisher, text):
    publisher.fill("#message", text)
    publisher.click("#send")


def row(page, text):
    """The row with this text: what is on the page, not what its scripts copy."""
    return page.locator("#rows > li").filter(has_text=text).first
