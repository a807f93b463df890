"use strict";

const SAMPLES = {
  en: "Good evening! Your table for four is ready at 7:30 pm.",
  ar: "مساء الخير! الطاولة جاهزة لأربعة أشخاص الساعة السابعة والنصف.",
  es: "¡Buenas tardes! Su mesa para cuatro estará lista a las 19:30.",
  hi: "नमस्ते! चार लोगों के लिए आपकी मेज़ 7:30 बजे तैयार है।",
  ur: "شام بخیر! چار لوگوں کے لیے آپ کی میز ساڑھے سات بجے تیار ہے۔",
};
const byId = (id) => document.getElementById(id);
const names = new Intl.DisplayNames(["en"], { type: "language" });
let playing = null;

function say(message) {
  byId("status").textContent = message;
}

async function call(address, options = {}) {
  const key = byId("key").value;
  const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  const response = await fetch(address, { ...options, headers });
  if (!response.ok) {
    const answer = await response.json().catch(() => null);
    const error = new Error(answer?.error?.message ?? `The server answered ${response.status}.`);
    error.status = response.status;
    throw error;
  }
  return response;
}

function stop() {
  const player = byId("player");
  player.pause();
  if (player.src) URL.revokeObjectURL(player.src);
  if (playing) {
    playing.abort.abort();
    playing.button.textContent = "Play";
    playing.button.setAttribute("aria-pressed", "false");
  }
  playing = null;
}

async function play(voice, text, button) {
  const again = playing?.button === button;
  stop();
  if (again) return say("Stopped.");
  const turn = { button, abort: new AbortController() };
  playing = turn;
  button.textContent = "Stop";
  button.setAttribute("aria-pressed", "true");
  say(`Speaking with ${voice.id}.`);
  try {
    const body = { model: voice.model, voice: voice.id, input: text, speed: Number(byId("speed").value) };
    const response = await call("/v1/audio/speech", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: turn.abort.signal,
    });
    const player = byId("player");
    player.src = URL.createObjectURL(await response.blob());
    await player.play();
  } catch (error) {
    if (playing !== turn) return;
    stop();
    say(error.message);
  }
}

function facts(voice) {
  const licence = voice.license.spdx + (voice.license.commercial_use ? "" : ", not for commercial use");
  const found = voice.measured ?? {};
  const errors = found.plain == null ? null : `${found.metric.toUpperCase()} ${(100 * found.plain).toFixed(1)}%`;
  const mos = found.dnsmos == null ? null : `DNSMOS ${found.dnsmos.toFixed(2)}`;
  const measured = [errors, mos, found.source === "published" ? "published" : null].filter(Boolean).join(", ");
  return [voice.quality, measured, licence].filter(Boolean).join(" · ");
}

function showVoice(voice, textarea) {
  const item = byId("voice-template").content.cloneNode(true);
  const button = item.querySelector("button");
  button.textContent = "Play";
  button.setAttribute("aria-pressed", "false");
  button.setAttribute("aria-label", `Play ${voice.gender} ${names.of(voice.locale)}`);
  button.addEventListener("click", () => play(voice, textarea.value, button));
  item.querySelector(".name").textContent = voice.id;
  item.querySelector(".note").textContent = voice.approximation ?? names.of(voice.locale);
  item.querySelector(".facts").textContent = facts(voice);
  return item;
}

function showLanguage(language, voices) {
  const section = byId("language-template").content.cloneNode(true);
  const heading = section.querySelector("h2");
  const textarea = section.querySelector("textarea");
  heading.textContent = names.of(language);
  textarea.lang = language;
  textarea.dir = "auto";
  textarea.value = SAMPLES[language] ?? "";
  section.querySelector("label span").textContent = `Text in ${names.of(language)}`;
  section.querySelector("ul").append(...voices.map((voice) => showVoice(voice, textarea)));
  return section;
}

async function load() {
  try {
    const { data } = await (await call("/v1/audio/voices")).json();
    const languages = Map.groupBy
      ? Map.groupBy(data, (voice) => voice.language)
      : data.reduce((map, voice) => map.set(voice.language, [...(map.get(voice.language) ?? []), voice]), new Map());
    byId("languages").replaceChildren(...[...languages].map(([code, voices]) => showLanguage(code, voices)));
    byId("options").hidden = false;
    say(`${data.length} voices.`);
  } catch (error) {
    if (error.status === 401) {
      byId("options").hidden = false;
      byId("key-field").hidden = false;
    }
    say(error.message);
  }
}

byId("speed").addEventListener("input", (event) => {
  byId("speed-value").textContent = Number(event.target.value).toFixed(2);
});
byId("key").addEventListener("change", load);
byId("options").addEventListener("submit", (event) => event.preventDefault());
byId("player").addEventListener("ended", () => {
  stop();
  say("Done.");
});
load();
