// Shows push messages, which say nothing of a patient. The server puts WORDS, by language, before this.

const words = WORDS[new URL(location).searchParams.get("language")] ?? WORDS.en;

self.addEventListener("push", (event) => {
  const { conversations = 1, urgent = false } = event.data?.json() ?? {};
  const said = (conversations === 1 ? words["push.waits.one"] : words["push.waits.other"]).replace("{n}", conversations);
  const title = urgent ? `${words.urgent}: ${said}` : said;
  event.waitUntil(self.registration.showNotification(title, { tag: "switchboard", renotify: true, requireInteraction: urgent, data: { path: "/inbox" } }));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(show(event.notification.data.path));
});

async function show(path) {
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const open = windows.find((one) => new URL(one.url).pathname === path);
  return open ? open.focus() : self.clients.openWindow(path);
}
