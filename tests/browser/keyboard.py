"""No mouse: sends a message with a chosen QoS and retain, and opens it on the other page."""

import sys

from steps import chromium, context, opened, row


def tab_to(page, selector, limit=40):
    """Presses Tab until the element has the focus, as a person does, and it can be seen."""
    for _ in range(limit):
        page.keyboard.press("Tab")
        if page.evaluate("s => document.activeElement?.matches(s)", selector):
            outline = page.evaluate(
                "() => { const s = getComputedStyle(document.activeElement);"
                " return s.outlineStyle !== 'none' || s.boxShadow !== 'none'; }"
            )
            assert outline, f"{selector} does not show that it has the focus"
            return
    raise AssertionError(f"{selector} cannot be reached with Tab")


publisher_link, subscriber_link = sys.argv[1:3]
with chromium() as browser:
    window = context(browser)
    publisher = opened(window, publisher_link)
    subscriber = opened(window, subscriber_link)

    publisher.bring_to_front()
    # The first stop is the way past the header.
    publisher.keyboard.press("Tab")
    assert publisher.evaluate("document.activeElement.matches('a.skip')")
    publisher.keyboard.press("Enter")
    tab_to(publisher, "#topic")
    publisher.keyboard.press("Control+A")
    publisher.keyboard.type("chat/keyboard")
    tab_to(publisher, "#message")
    publisher.keyboard.type("typed without a mouse")
    tab_to(publisher, "[name=qos]")
    publisher.keyboard.press("ArrowDown")
    tab_to(publisher, "[name=retain]")
    publisher.keyboard.press("Space")
    tab_to(publisher, "#send")
    publisher.keyboard.press("Enter")
    sent = row(publisher, "typed without a mouse")
    sent.and_(publisher.locator("[data-state=accepted]")).wait_for()
    assert sent.locator("[data-field=qos]").inner_text() == "2", sent.inner_text()
    assert sent.locator("[data-field=retain]").is_visible(), sent.inner_text()

    received = row(subscriber, "typed without a mouse")
    received.wait_for()
    subscriber.bring_to_front()
    tab_to(subscriber, "[data-field=download]")

    # Ctrl+Enter sends from where one types.
    publisher.bring_to_front()
    publisher.focus("#message")
    publisher.keyboard.type("sent with two keys")
    publisher.keyboard.press("Control+Enter")
    row(subscriber, "sent with two keys").wait_for()
    assert not window.complaints, window.complaints
