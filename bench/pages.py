"""The inbox in a browser: how soon it is there with 5,000 open conversations, a message on it, and what a day leaves."""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx

from bench import stand as stands
from bench.report import Row
from bench.stand import Running
from shared_messaging import KafkaConnection, Outgoing, Publisher
from shared_schemas import topics
from shared_schemas.ids import content_id
from shared_schemas.practice_settings import Member, RoutingSettingsPublishedV1
from shared_schemas.routed_messages import Destination, PlaceLabel, ReasonLabel, Recipient, RoutedMessageV1
from shared_schemas.values import Event

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page, Route

PRACTICE, PERSON = "bench-practice", "bench-person"
CONVERSATIONS = 5_000
OPENED, ON_SCREEN = 7, 30
"""How often it is measured."""
DAY = 2_880
"""Messages of eight hours, one in ten seconds, sent as fast as they are taken."""
BUSY = 300
"""Patients who write in them."""
PATIENCE = 120.0
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")

WATCH = """
window.shown = [];
window.shift = 0;
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) window.shift += one.value;
}).observe({ type: "layout-shift", buffered: true });
const listen = EventSource.prototype.addEventListener;
EventSource.prototype.addEventListener = function (kind, listener, ...more) {
  const timed = kind !== "message" ? listener : (event) => {
    const at = performance.now();
    const { body } = JSON.parse(event.data);
    const watcher = new MutationObserver(() => {
      if (!document.querySelector("[role=log]")?.textContent.includes(body)) return;
      watcher.disconnect();
      requestAnimationFrame(() => window.shown.push(performance.now() - at));
    });
    watcher.observe(document, { childList: true, subtree: true, characterData: true });
    listener(event);
    if (!body.startsWith("One more")) watcher.disconnect();
  };
  return listen.call(this, kind, timed, ...more);
};
"""
"""How long from a stream event until the frame that shows its words, and how much the page's layout shifts."""

BARE = """<!doctype html><title>Bare</title><ol role="log"></ol><script>
const stream = new EventSource("/v1/stream");
stream.addEventListener("snapshot", () => { document.title = "Live"; });
stream.addEventListener("message", (event) => {
  const textContent = JSON.parse(event.data).body;
  document.querySelector("ol").append(Object.assign(document.createElement("li"), { textContent }));
});
</script>"""
"""The least that shows a stream's messages."""


def run(*, quick: bool) -> list[Row]:
    """Needs a Chromium, as the tests of the pages do."""
    return asyncio.run(_run(quick=quick))


async def _run(*, quick: bool) -> list[Row]:
    from playwright.async_api import async_playwright  # noqa: PLC0415 - no other benchmark needs a browser

    async with (
        stands.stand() as on,
        Publisher(KafkaConnection(on.kafka, "bench")) as publisher,
        stands.service(on, "notifier") as notifier,
        async_playwright() as playwright,
    ):
        feed = Feed(publisher)
        token = on.issuer.token(role="administrator", practice_id=PRACTICE, staff_id=PERSON)
        await _fill(feed, notifier, token)
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS))
        desk = Desk(browser, notifier.url, token)
        rows = await _opened(desk, 2 if quick else OPENED)
        rows += await _on_screen(desk, feed, 5 if quick else ON_SCREEN)
        rows += await _day(desk, feed, 300 if quick else DAY)
        await browser.close()
        return rows


class Feed:
    """Publishes what router would."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._versions: dict[int, int] = {}

    async def settle(self) -> None:
        """One person, who looks after everything."""
        person = Member(staff_id=PERSON, name="Benny Example", role="administrator", unassigned=True)
        settings = RoutingSettingsPublishedV1(practice_id=PRACTICE, version=1, members=(person,))
        await self._send(topics.PRACTICE_SETTINGS.name, [settings])

    async def write(self, messages: Sequence[tuple[int, str]], ago: timedelta = timedelta()) -> None:
        """Messages: the patient's number, and the words."""
        at = datetime.now(UTC) - ago
        await self._send(topics.ROUTED_MESSAGES.name, [self._routed(*one, at) for one in messages])

    async def _send(self, topic: str, events: Sequence[Event]) -> None:
        now = datetime.now(UTC)
        for start in range(0, len(events), 500):
            some = events[start : start + 500]
            await self._publisher.send([Outgoing.of(topic, one, source="/bench", time=now) for one in some])

    def _routed(self, patient: int, body: str, at: datetime) -> RoutedMessageV1:
        version = self._versions[patient] = self._versions.get(patient, 0) + 1
        return RoutedMessageV1(
            practice_id=PRACTICE,
            patient_id=f"p-{patient}",
            message_id=content_id("bench", str(patient), str(version)),
            conversation_id=f"c-{patient}",
            conversation_version=version,
            channel="sms",
            received_at=at,
            body=body,
            reason=ReasonLabel(source="none"),
            location=PlaceLabel(source="none"),
            provider=PlaceLabel(source="none"),
            destination=Destination(kind="unassigned"),
            audience=(Recipient(staff_id=PERSON, because="unassigned_subscriber"),),
            unrouted=False,
            late=False,
            rules=("M5",),
            settings_version=1,
            decided_at=at,
        )


class Desk:
    """The browser of the one person."""

    def __init__(self, browser: "Browser", url: str, token: str) -> None:
        self._browser = browser
        self.url = url
        self._token = token

    async def open(self) -> "BrowserContext":
        """A browser that has nothing in its cache, and is signed in."""
        context = await self._browser.new_context(viewport={"width": 1360, "height": 850})
        await context.add_cookies([{"name": "switchboard", "value": self._token, "url": self.url}])
        context.set_default_timeout(PATIENCE * 1e3)
        return context

    async def inbox(self, context: "BrowserContext") -> "Page":
        """The inbox, once its list is there."""
        page = await context.new_page()
        await page.add_init_script(WATCH)
        await page.goto(f"{self.url}/inbox")
        await page.locator(".row-item").first.wait_for()
        return page


async def _fill(feed: Feed, notifier: Running, token: str) -> None:
    stands.tell("pages", f"{CONVERSATIONS:,} open conversations")
    await feed.settle()
    await feed.write([(number, f"A made-up question {number}") for number in range(CONVERSATIONS)], timedelta(hours=8))
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=notifier.url, headers=headers, timeout=PATIENCE) as http:

        async def is_there() -> bool:
            inboxes = (await http.get("/v1/inboxes")).raise_for_status().json()
            return any(one["inbox"] == "unassigned" and one["open"] >= CONVERSATIONS for one in inboxes)

        await _until(is_there, "the conversations to be listed")


async def _opened(desk: Desk, times: int) -> list[Row]:
    """The first visit, with nothing in the cache, and the next one; beside it the same page as HTML without a script."""
    first, again, listed, shifts, still, loaded = [], [], [], [], [], 0
    for number in range(times):
        stands.tell("pages", f"opening {number + 1} of {times}")
        context = await desk.open()
        page = await desk.inbox(context)
        first.append(await _first_paint(page))
        loaded = await page.evaluate(
            "performance.getEntriesByType('resource').filter((one) => one.name.includes('/console/assets/'))"
            ".reduce((sum, one) => sum + one.encodedBodySize, 0)"
        )
        html = await page.evaluate("document.documentElement.outerHTML.replace(/<script.*?<[/]script>/gs, '')")
        await page.reload()
        await page.locator(".row-item").first.wait_for()
        listed.append(await page.evaluate("performance.now()"))
        again.append(await _first_paint(page))
        shifts.append(await page.evaluate("window.shift"))
        await page.route("**/as-html", _answering(html))
        await page.goto(f"{desk.url}/as-html")
        still.append(await _first_paint(page))
        await context.close()
    reference = "the same page as HTML alone"
    return [
        Row.of("inbox of 5,000: first paint, nothing cached", "ms", first, reference, still),
        Row.of("inbox of 5,000: first paint, files cached", "ms", again, reference, still),
        Row.of("inbox of 5,000: the list is there", "ms", listed, reference, still),
        Row.of("inbox of 5,000: cumulative layout shift", "", shifts),
        Row("inbox: files, compressed", loaded / 1e3, "kB"),
    ]


def _answering(html: str) -> Callable[["Route"], Awaitable[None]]:
    async def answer(route: "Route") -> None:
        await route.fulfill(body=html, content_type="text/html")

    return answer


async def _first_paint(page: "Page") -> float:
    entry = "performance.getEntriesByName('first-contentful-paint')[0]"
    await page.wait_for_function(entry)  # it is noted after the frame
    return float(await page.evaluate(f"{entry}.startTime"))


async def _on_screen(desk: Desk, feed: Feed, times: int) -> list[Row]:
    """From a stream event to the frame that has its words in the open conversation; beside it the least that could."""
    context = await desk.open()
    page = await desk.inbox(context)
    await page.locator(".row-item button").first.click()
    await page.locator(".message").first.wait_for()
    number = int((await page.locator(".message .body").first.inner_text()).rsplit(" ", 1)[1])
    ours = await _shown(page, feed, number, times)
    bare = await context.new_page()
    await bare.add_init_script(WATCH)
    await bare.route("**/bare", _answering(BARE))
    await bare.goto(f"{desk.url}/bare")
    await bare.wait_for_function("document.title === 'Live'")
    least = await _shown(bare, feed, number, times)
    await context.close()
    return [Row.of("inbox: from stream event to screen", "ms", ours, "a page that appends the words", least)]


async def _shown(page: "Page", feed: Feed, number: int, times: int) -> list[float]:
    await page.bring_to_front()
    for count in range(1, times + 1):
        await feed.write([(number, f"One more {time.monotonic_ns()}")])
        await page.wait_for_function("(count) => window.shown.length >= count", arg=count)
    return list(await page.evaluate("window.shown"))


async def _day(desk: Desk, feed: Feed, messages: int) -> list[Row]:
    """The heap and the nodes of a page that stays open for the messages of eight hours."""
    stands.tell("pages", f"{messages:,} messages")
    context = await desk.open()
    page = await desk.inbox(context)
    await page.locator(".row-item button").first.click()
    await page.locator(".message").first.wait_for()
    sent = 0
    used: list[tuple[float, float]] = []
    for part in range(4):
        words = [(number % BUSY, f"Of the day {number}") for number in range(sent, (part + 1) * messages // 4)]
        sent += len(words)
        last = f"The last of part {part}"
        await feed.write(words)
        await feed.write([(CONVERSATIONS + part, last)])  # at a later instant, so it is listed before them
        await page.locator(".arrived").click()
        await _until(lambda last=last, page=page: _is_listed(page, last), "the last message to be listed")
        used.append(await _in_use(page))
    await context.close()
    (early_heap, early_nodes), (heap, nodes) = used[0], used[-1]
    reference = "after the first quarter of them"
    return [
        Row("inbox: heap after eight hours' messages", heap / 1e6, "MB", (), reference, early_heap / 1e6),
        Row("inbox: nodes after eight hours' messages", nodes, "", (), reference, early_nodes),
    ]


async def _is_listed(page: "Page", words: str) -> bool:
    await page.locator(".arrived").click()
    await page.locator('.list-body[aria-busy="false"]').wait_for()  # another click would begin to read anew
    return bool(await page.locator(".row-item", has_text=words).count())


async def _in_use(page: "Page") -> tuple[float, float]:
    """Bytes and nodes after what is garbage was collected."""
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("HeapProfiler.collectGarbage")
    heap: dict[str, Any] = await devtools.send("Runtime.getHeapUsage")
    counters: dict[str, Any] = await devtools.send("Memory.getDOMCounters")
    await devtools.detach()
    return heap["usedSize"], counters["nodes"]


async def _until(is_so: Callable[[], Any], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            while not await is_so():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise RuntimeError(f"{PATIENCE:.0f} s were not enough for {what}") from None
