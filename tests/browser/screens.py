"""Screenshots of both pages, in both languages, narrow and wide, light and dark.

People look at them; what a program can see is checked here: the language is all one,
nothing sticks out of the screen, and texts have enough contrast.
"""

import sys

from steps import chromium, context, opened, row, send

# The contrast of every visible text with what is painted behind it, as WCAG counts it.
CONTRAST = """() => {
  // Any colour CSS can express, as the bytes that reach the screen.
  const paint = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const bytes = (color) => {
    paint.clearRect(0, 0, 1, 1);
    paint.fillStyle = color;
    paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const linear = [r, g, b].map((v) => {
      v /= 255;
      return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * (top[3] / 255) + below[i] * (1 - top[3] / 255));
  const behind = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.push(bytes(getComputedStyle(e).backgroundColor));
    const dark = matchMedia('(prefers-color-scheme: dark)').matches;
    return layers.reverse().reduce((below, top) => over(top, below), dark ? [0, 0, 0] : [255, 255, 255]);
  };
  const weak = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    const box = element.getBoundingClientRect();
    if (!text || !element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) continue;
    if (box.width < 2 || box.height < 2 || element.closest('.unseen, .skip, [aria-hidden=true], option')) continue;
    const back = behind(element);
    const front = over(bytes(getComputedStyle(element).color), back);
    const [a, b] = [light(front), light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) weak.push(`${ratio.toFixed(2)} ${text.slice(0, 40)}`);
  }
  return weak;
}"""

# Words that would only be there if a text were missing in one language.
ENGLISH = ["Message", "Topic", "Send", "Connected", "Language"]
SPANISH = ["Mensaje", "Tema", "Enviar", "Conectado", "Idioma"]

SIZES = {"wide": (1280, 900), "narrow": (360, 740)}

publisher_link, subscriber_link, folder = sys.argv[1:4]
with chromium() as browser:
    first = context(browser)
    publisher = opened(first, publisher_link)
    subscriber = opened(first, subscriber_link)
    for text in ("Hola desde el publicador", "Una línea larga sin espacios: " + "x" * 200):
        send(publisher, text)
        row(subscriber, text[:30]).wait_for()
    publisher.check("[name=format][value=hex]")
    send(publisher, "00 01 02 fe ff")
    row(subscriber, "fe ff").wait_for()
    publisher.check("[name=format][value=text]")
    publisher.fill("#topic", "secret/plans")
    send(publisher, "this one is not allowed")
    row(publisher, "not allowed").and_(publisher.locator("[data-state=refused]")).wait_for()
    login = first.storage_state()
    addresses = {"publisher": publisher.url, "subscriber": subscriber.url}
    assert not first.complaints, first.complaints
    first.close()

    wrong = []
    for language, locale, foreign in (("en", "en-GB", SPANISH), ("es", "es-ES", ENGLISH)):
        for light in ("light", "dark"):
            for size, (width, height) in SIZES.items():
                window = context(
                    browser,
                    storage_state=login,
                    locale=locale,
                    color_scheme=light,
                    viewport={"width": width, "height": height},
                )
                for name, address in addresses.items():
                    page = opened(window, address)
                    page.locator("#rows > li").first.wait_for()
                    which = f"{name}-{language}-{light}-{size}"
                    page.screenshot(path=f"{folder}/{which}.png", full_page=True)
                    assert page.locator("html").get_attribute("lang") == language, which
                    overflow = page.evaluate(
                        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                    )
                    if overflow > 0:
                        wrong.append(f"{which}: {overflow} px stick out")
                    # Rows hold what people wrote, in whatever language.
                    labels = page.evaluate(
                        "[...document.querySelectorAll('label, button, h1, h2, legend, summary, #link')]"
                        ".filter((e) => !e.closest('#rows') && e.checkVisibility())"
                        ".map((e) => e.innerText).join('\\n')"
                    )
                    wrong += [f"{which}: {word!r}" for word in foreign if word in labels.split()]
                    wrong += [f"{which}: contrast {weak}" for weak in page.evaluate(CONTRAST)]
                    page.close()
                wrong += [f"{language}-{light}-{size}: {one}" for one in window.complaints]
                window.close()
    assert not wrong, "\n".join(sorted(set(wrong)))
