"""Sends "Hola desde el publicador" and sees it on the other page within a second."""

import sys
import time

from steps import chromium, context, opened, row, send

TEXT = "Hola desde el publicador"

publisher_link, subscriber_link, state = sys.argv[1:4]
with chromium() as browser:
    window = context(browser)
    publisher = opened(window, publisher_link)
    subscriber = opened(window, subscriber_link)
    # A reload would lose this mark.
    subscriber.evaluate("window.notReloaded = true")
    publisher.wait_for_selector("#link[data-kind=connected]")

    started = time.monotonic()
    send(publisher, TEXT)
    row(subscriber, TEXT).wait_for()
    took = time.monotonic() - started
    assert took < 1.0, f"{took:.3f} s"
    assert subscriber.evaluate("window.notReloaded === true")

    # And the page that sent it tells the truth, by itself as well.
    sent = row(publisher, TEXT)
    sent.and_(publisher.locator("[data-state=accepted]")).wait_for()

    # Newest first.
    send(publisher, "and a second one")
    row(subscriber, "and a second one").wait_for()
    first = subscriber.locator("#rows > li").first.inner_text()
    assert "and a second one" in first, first

    window.storage_state(path=state)
    assert not window.complaints, window.complaints
    print(f"seen after {took * 1000:.0f} ms")
