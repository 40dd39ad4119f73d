"""Markup in message and topic is shown as it was typed, live and after a reload."""

import sys

from steps import chromium, context, opened, row, send

PAYLOAD = "<script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\"><b>bold</b>"
TOPIC = "chat/<b>bold</b>"

publisher_link, subscriber_link = sys.argv[1:3]
with chromium() as browser:
    window = context(browser)
    publisher = opened(window, publisher_link)
    subscriber = opened(window, subscriber_link)
    publisher.fill("#topic", TOPIC)
    send(publisher, PAYLOAD)

    for page in (subscriber, publisher):
        for look in ("live", "reloaded"):
            shown = row(page, "onerror")
            shown.wait_for()
            text = shown.inner_text()
            assert PAYLOAD in text and TOPIC in text, (look, text)
            assert shown.locator("script, img, b").count() == 0, (look, shown.inner_html())
            assert "broken" not in page.title(), (look, page.title())
            page.reload()
    assert not window.complaints, window.complaints
