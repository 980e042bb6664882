// Desktop notifications and a sound, for whoever asks for them. They carry no name and no words of a patient.

import { t } from "./page.js";
import { createStore, keep, kept } from "./store.js";

export const alarms = createStore({ desktop: false, sound: false, ...kept(localStorage, "switchboard-alarms", {}) });

let audio = null;

export async function wantDesktop(wanted) {
  const allowed = wanted && "Notification" in window && (await Notification.requestPermission()) === "granted";
  choose({ desktop: Boolean(allowed) });
  return Boolean(allowed) === wanted;
}

export function wantSound(wanted) {
  choose({ sound: wanted });
  if (wanted) beep();
}

/** Something came for this person. */
export function alarm(conversation) {
  const { desktop, sound } = alarms.get();
  if (sound) beep();
  if (desktop && document.hidden) {
    const where = [conversation?.reason?.label, conversation?.location?.label].filter(Boolean).join(" · ");
    const shown = new Notification(t("alarm.title"), { body: where, tag: "switchboard" });
    shown.onclick = () => { window.focus(); shown.close(); };
  }
}

function choose(change) {
  alarms.set(change);
  keep(localStorage, "switchboard-alarms", alarms.get());
}

/** Two short, quiet notes. */
function beep() {
  audio ??= new AudioContext();
  [660, 880].forEach((frequency, index) => {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    const at = audio.currentTime + index * 0.12;
    tone.frequency.value = frequency;
    volume.gain.setValueAtTime(0.08, at);
    volume.gain.exponentialRampToValueAtTime(0.001, at + 0.11);
    tone.connect(volume).connect(audio.destination);
    tone.start(at);
    tone.stop(at + 0.12);
  });
}
