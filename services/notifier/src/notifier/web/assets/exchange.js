// The whole settings as a file, out and in. What comes in is a draft: it is checked like any other, and saved by hand.

import { html, useState } from "./preact.js";
import { data, t } from "./page.js";
import { draft, edit } from "./draft.js";
import { useStore } from "./store.js";

export function Exchange() {
  const { saved } = useStore(draft);
  const [problem, setProblem] = useState(null);
  const take = async (event) => {
    try {
      const { version, ...settings } = JSON.parse(await event.target.files[0].text());
      edit({ ...settings, practice_id: data.practice_id, version: saved.version });
      setProblem(null);
      location.hash = "settings";
    } catch {
      setProblem(t("exchange.unreadable"));
    }
  };
  const give = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(saved, null, 2)], { type: "application/json" }));
    link.download = `${data.practice_id}-routing-${saved.version}.json`;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  return html`<section class="card stack">
    <h2>${t("routing.exchange")}</h2>
    <p class="soft">${t("exchange.about")}</p>
    <div class="row"><button type="button" onClick=${give}>${t("exchange.export", { n: saved.version })}</button></div>
    <label class="field"><span>${t("exchange.import")}</span><input type="file" accept="application/json,.json" onChange=${take} /></label>
    ${problem && html`<p class="notice bad" role="alert">${problem}</p>`}
  </section>`;
}
