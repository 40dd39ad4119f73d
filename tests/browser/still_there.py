"""After a restart of everything the message is still in the history."""

import sys

from steps import chromium, context, opened, row

with chromium() as browser:
    options = {"storage_state": sys.argv[2]} if len(sys.argv) > 2 else {}
    window = context(browser, **options)
    subscriber = opened(window, sys.argv[1])
    row(subscriber, "Hola desde el publicador").wait_for()
    assert not window.complaints, window.complaints
