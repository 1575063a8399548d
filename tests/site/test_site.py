"""The published book as a reader meets it: loads, fits, can be read, leads nowhere wrong."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest

pytestmark = pytest.mark.site

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(path.relative_to(ROOT / "book").with_suffix("").as_posix()
      for path in sorted((ROOT / "book").rglob("*.md"))),
    *(path.relative_to(ROOT).with_suffix("").as_posix()
      for path in sorted((ROOT / "gallery").glob("*/plot_*.py"))),
    "search",
]  # fmt: skip
LARGEST_PAGE_BYTES = 1_500_000
LARGEST_SHIFT = 0.02  # of the window, over the whole loading; browsers call 0.1 good

#: Text that the reader sees with less contrast than WCAG AA asks for.
FAINT = """() => {
  const channels = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const found = channels(getComputedStyle(e).backgroundColor);
      if (found.length === 3 || found[3] > 0.99) return found;
    }
    return [255, 255, 255];
  };
  const faint = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.closest("script, style, noscript, .headerlink, svg")) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(channels(style.color)), light(behind(element))].sort((x, y) => x - y);
    const large = parseFloat(style.fontSize) >= 24
      || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    if ((b + 0.05) / (a + 0.05) < (large ? 3 : 4.5))
      faint.add(`${walker.currentNode.data.trim().slice(0, 40)}: ${style.color}`);
  }
  return [...faint];
}"""

SHIFTS = """() => new Promise(resolve => {
  let sum = 0;
  new PerformanceObserver(list => list.getEntries().forEach(e => sum += e.value))
    .observe({type: "layout-shift", buffered: true});
  setTimeout(() => resolve(sum), 300);
})"""


def scrolled_through(page):
    """Scroll down and up, as reading does, so that late images are loaded."""
    height = page.evaluate("document.documentElement.scrollHeight")
    for place in range(0, height, 700):
        page.evaluate(f"window.scrollTo(0, {place})")
        page.wait_for_timeout(30)
    page.evaluate("window.scrollTo(0, 0)")
    page.wait_for_load_state("networkidle")
    return page


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_in_full_without_complaint_from_this_host_alone_and_is_light(
    open_page, address, name
):
    complaints, requests, bodies = [], [], []

    def watch(page):
        page.on("console", lambda message: complaints.append(message.text)
                if message.type in ("error", "warning") else None)  # fmt: skip
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.on("response", lambda response: bodies.append(response))

    scrolled_through(open_page(name, prepare=watch))
    assert complaints == []
    elsewhere = [url for url in requests if not url.startswith((address, "data:"))]
    assert elsewhere == []
    assert [response.url for response in bodies if response.status >= 400] == []
    weight = sum(len(response.body()) for response in bodies if response.status == 200)
    assert weight < LARGEST_PAGE_BYTES


@pytest.mark.parametrize(
    ("width", "palette"),
    [(1280, "light"), (1280, "dark"), (390, "light")],  # colours change no width
)
def test_a_page_fits_its_window_and_all_of_its_text_can_be_read(open_page, width, palette):
    wide, faint = {}, {}
    for name in PAGES:
        page = open_page(name, width, palette)
        wide[name] = page.evaluate("document.documentElement.scrollWidth")
        faint[name] = page.evaluate(FAINT)
        page.close()
    assert {name: found for name, found in wide.items() if found > width} == {}
    assert {name: found for name, found in faint.items() if found} == {}


def test_nothing_jumps_while_a_page_loads(open_page):
    shifts = {name: open_page(name).evaluate(SHIFTS) for name in PAGES}
    assert {name: shift for name, shift in shifts.items() if shift > LARGEST_SHIFT} == {}


def test_every_image_has_words_and_a_size(built_site):
    for name in PAGES:
        for image in Tags(built_site / f"{name}.html").of("img"):
            assert image.get("alt", "").strip(), (name, image)
            assert image.get("width") and image.get("height"), (name, image)


def visible_figures(page):
    return page.locator(".measured-figure img:visible").evaluate_all(
        "images => images.map(image => new URL(image.currentSrc).pathname.split('/').pop())"
    )


def test_the_palette_switch_changes_the_figures(open_page):
    page = scrolled_through(open_page("index", palette="light"))
    light = visible_figures(page)
    assert light and not any("_dark" in name for name in light)
    page.locator(".theme-switch-button").first.click()
    page.locator(".theme-change-button[data-mode=dark]").first.click()
    dark = visible_figures(scrolled_through(page))
    assert dark == [name.replace(".svg", "_dark.svg") for name in light]
    page.reload()
    assert visible_figures(scrolled_through(page)) == dark


def test_a_telephone_gets_figures_drawn_for_it(open_page):
    narrow = visible_figures(scrolled_through(open_page("index", width=390)))
    assert narrow and all(name.endswith("_narrow.svg") for name in narrow)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_says_that_it_is_a_draft_and_where_its_numbers_come_from(built_site, name):
    text = (built_site / f"{name}.html").read_text(encoding="utf-8")
    assert "<strong>Draft.</strong> Measured with the quick profile" in text
    assert '<p class="stamp">Measured on ' in text


@pytest.mark.parametrize("name", PAGES)
def test_every_page_lists_the_chapters_and_the_standing_pages(built_site, name):
    linked = {link.get("href", "") for link in Tags(built_site / f"{name}.html").of("a")}
    ends = {href.rpartition("/")[2].partition("#")[0] for href in linked}
    others = {Path(page).name + ".html" for page in PAGES if page not in (name, "search")}
    assert others <= ends


def test_a_measured_value_leads_to_the_row_of_its_experiment(open_page):
    page = open_page("index")
    page.locator("a.measured").first.click()
    page.wait_for_url("**/machine.html#record-block_it-ladder")
    assert page.locator("tr:target code").inner_text() == "block_it.ladder"


def test_a_search_finds_the_page_about_blocking(open_page):
    page = open_page("search")
    page.goto(f"{page.url}?q=blocking")
    page.locator(".search-results a, #search-results a").first.wait_for()
    found = page.locator("#search-results a").evaluate_all("links => links.map(a => a.pathname)")
    assert any("block_it" in path for path in found)


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, path):
        super().__init__()
        self.found = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, {key: value or "" for key, value in attributes}))

    def of(self, *names):
        return [attributes for tag, attributes in self.found if tag in names]

    def anchors(self):
        return {attributes["id"] for _, attributes in self.found if attributes.get("id")}


def test_every_link_inside_the_book_leads_somewhere(built_site):
    pages = {path.resolve(): Tags(path) for path in built_site.rglob("*.html")}
    broken = []
    for path, tags in pages.items():
        for link in tags.of("a", "link", "script", "img", "source"):
            url = link.get("href") or link.get("src") or link.get("srcset") or ""
            parts = urlsplit(url)
            if parts.scheme or not url or url == "#":
                continue
            place, anchor = urldefrag(url)
            file = unquote(urlsplit(place).path)
            target = (path.parent / file).resolve() if file else path
            known = target in pages and (not anchor or unquote(anchor) in pages[target].anchors())
            if not (known or (target.is_file() and not anchor)):
                broken.append(f"{path.relative_to(built_site)}: {url}")
    assert broken == []


def test_nothing_but_links_for_readers_names_another_host(built_site):
    for path in built_site.rglob("*.html"):
        tags = Tags(path)
        for tag in tags.of("script", "img", "source", "link", "iframe"):
            for value in (tag.get("src", ""), tag.get("srcset", ""), tag.get("href", "")):
                assert not value.startswith(("http:", "https:", "//")), (path.name, value)
