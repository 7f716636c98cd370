from __future__ import annotations

from html.parser import HTMLParser

from samfleet_cli.jobs.gallery import Gallery, GalleryImage, render_gallery

TIMES = {"queue": 900.0, "encode": 120.0, "store": 4.0}
PNG = b"\x89PNG not decoded here"
EVIL = '<script>"alert"</script>{{ title }} & co.jpg'


class Page(HTMLParser):
    """Collects tags and the addresses that a browser would fetch or follow."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str, attribute: str) -> list[str]:
        return [str(attrs[attribute]) for name, attrs in self.tags if name == tag and attribute in attrs]


def gallery(*images: GalleryImage) -> Gallery:
    times = {"n": 1, "mean_ms": 10.04, "p50_ms": 9.0, "p90_ms": 12.0, "p99_ms": 12.5}
    run = {
        "variant": "mobile_sam",
        "pool": "local",
        "hardware": [{"device_name": "A <CPU>"}],
        "failed": sum(image.overlay is None for image in images),
        "images": len(images),
        "images_per_second": 0.25,
        "stages": {"encode": times, "queue": times},
        "stages_include_warmup": True,
    }
    return Gallery("demo", "j1", run, images, [("summary.json", "all counts"), ("a b.json", "spaced")])


def photograph(name: str = "cat.png", masks: int = 2) -> GalleryImage:
    return GalleryImage(
        name,
        f"images/{name}",
        40,
        30,
        masks,
        PNG,
        "overlays/cat.png",
        "by someone",
        {"queue": 900.0, "encode": 120.0, "store": 4.0},
    )


def test_the_page_loads_no_other_file() -> None:
    page = Page(render_gallery(gallery(photograph())))
    assert all(source.startswith("data:image/png;base64,") for source in page.all("img", "src"))
    assert not {tag for tag, _attrs in page.tags} & {"script", "link", "iframe"}
    assert page.all("a", "href") == ["overlays/cat.png", "images/cat.png", "summary.json", "a%20b.json"]
    assert page.all("meta", "name") == ["viewport", "color-scheme"]
    assert page.all("meta", "content")[0].startswith("default-src 'none'; img-src data:; style-src 'sha256-")


def test_the_page_shows_counts_times_and_alternative_texts() -> None:
    text = render_gallery(gallery(photograph(), photograph("one.png", masks=1)))
    assert "2 photographs, 3 masks, 0.25 images per second" in text
    assert Page(text).all("img", "alt")[1] == "one.png with 1 coloured mask"
    assert "40 x 30 pixels · 0.12 s processing time" in text
    assert "queue 900 ms · encode 120 ms · store 4 ms" in text
    assert '<th scope="row">queue</th><td>one</td><td>10.0</td>' in text
    assert text.index('scope="row">queue') < text.index('scope="row">encode')


def test_values_are_escaped_and_never_read_as_templates() -> None:
    text = render_gallery(gallery(photograph(EVIL), GalleryImage("x", "images/x", 0, 0, 0, error="<b>bad</b>")))
    assert "<script" not in text
    assert "&lt;script&gt;&#34;alert&#34;&lt;/script&gt;{{ title }} &amp; co.jpg" in text
    assert "A &lt;CPU&gt;" in text
    assert "&lt;b&gt;bad&lt;/b&gt;" in text
    assert "1 failed" in text
