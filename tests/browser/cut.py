"""Watches the subscriber's page while everything behind it stops and comes back."""

import sys

from steps import chromium, context, opened, row

with chromium() as browser:
    window = context(browser)
    window.set_default_timeout(60_000)
    subscriber = opened(window, sys.argv[1])
    subscriber.evaluate("window.notReloaded = true")
    before = subscriber.locator("#link").get_attribute("data-kind")
    print("watching", flush=True)
    subscriber.wait_for_function(
        "before => document.querySelector('#link').dataset.kind !== before", arg=before
    )
    print("sees the cut", flush=True)
    row(subscriber, "after the cut").wait_for()
    subscriber.wait_for_function(
        "before => document.querySelector('#link').dataset.kind === before", arg=before
    )
    assert subscriber.evaluate("window.notReloaded === true")
    assert not window.complaints, window.complaints
