// Starts the page and connects its parts.

import { showCard, showModel } from "./ui/about.js";
import { Detail } from "./ui/detail.js";
import { Engine } from "./ui/engine.js";
import { listenForFiles } from "./ui/input.js";
import { Microphone } from "./ui/microphone.js";
import { Table } from "./ui/table.js";
import { setUpTeaching } from "./ui/teach.js";
import { byId } from "./ui/text.js";
import { Track } from "./ui/track.js";

class App {
  constructor(model, engine) {
    Object.assign(this, { model, engine });
    this.tracks = new Map();
    this.shown = null;
    this.numRecordings = 0;
    this.detail = new Detail(model);
    this.table = new Table(model, { show: (track) => this.show(track, true), clear: () => this.clear() });
    listenForFiles((found) => this.addFiles(found));
    byId("microphone").onclick = () => this.toggleMicrophone();
  }

  tell(text, isBad = false) {
    byId("status").textContent = text;
    byId("status").classList.toggle("bad", isBad);
  }

  show(track, moves = false) {
    this.shown = track;
    this.detail.show(track);
    this.table.select(track);
    if (!moves) return;
    byId("detail-title").focus({ preventScroll: true });
    byId("detail").scrollIntoView({ block: "start", behavior: "smooth" });
  }

  addFiles(found) {
    if (!found.length) {
      this.tell("No sound files found there.", true);
      return;
    }
    const tracks = found.map(({ file, path }) => new Track(path, file, this.model));
    for (const track of tracks) this.#add(track, { type: "analyse", blob: track.blob });
    this.show(tracks[0]);
    this.#tellProgress();
  }

  #add(track, message) {
    this.table.add(track);
    const id = this.engine.send(message, (data) => this.#take(id, track, data));
    this.tracks.set(track, id);
    return id;
  }

  #take(id, track, data) {
    track.take(data);
    this.table.update(track);
    if (track === this.shown) this.detail.update();
    if (data.type === "progress") return;
    this.engine.forget(id);
    this.#tellProgress();
  }

  #tellProgress() {
    const tracks = [...this.tracks.keys()];
    const open = tracks.filter((one) => one.isOpen).length;
    const failed = tracks.filter((one) => one.status === "failed").length;
    const errors = failed ? `, ${failed} failed` : "";
    if (open) this.tell(`${tracks.length - open} of ${tracks.length} done${errors}`);
    else this.tell(tracks.length ? `All done${errors}` : "", failed > 0);
  }

  /** Predicts with another model from now on; results of the old one go. */
  useModel(model) {
    this.table.removeAll();
    this.model = this.detail.model = this.table.model = model;
  }

  clear() {
    for (const [track, id] of this.tracks) if (track.isOpen) this.engine.cancel(id);
    this.tracks.clear();
    this.detail.hide();
    this.shown = null;
    this.tell("");
  }

  async toggleMicrophone() {
    const button = byId("microphone");
    button.disabled = true;
    try {
      if (this.microphone) await this.#stopMicrophone();
      else await this.#startMicrophone();
    } catch (error) {
      this.microphone = null;
      this.tell(`The microphone cannot be used: ${error.message}`, true);
    }
    const isOn = Boolean(this.microphone);
    button.ariaPressed = String(isOn);
    byId("microphone-text").textContent = isOn ? "Stop the microphone" : "Use the microphone";
    button.disabled = false;
  }

  async #startMicrophone() {
    let id = null;
    const early = [];
    const send = (samples) => this.engine.tell({ type: "live", id, samples }, [samples.buffer]);
    this.microphone = await Microphone.start((samples) => {
      if (id === null) early.push(samples);
      else send(samples);
    });
    const track = new Track(`Recording ${++this.numRecordings}`, null, this.model);
    Object.assign(track, { isLive: true, isRecording: true });
    id = this.#add(track, { type: "live-start", rate: this.microphone.rate });
    early.forEach(send);
    this.live = { track, id };
    this.show(track);
    this.tell("Listening");
  }

  async #stopMicrophone() {
    const { microphone, live } = this;
    this.microphone = null;
    live.track.blob = await microphone.stop();
    live.track.isLive = false;
    this.engine.tell({ type: "live-stop", id: live.id });
    if (live.track === this.shown) this.detail.update();
  }
}

function readAddress() {
  const query = new URLSearchParams(location.search);
  const { dataset } = document.documentElement;
  if (query.has("embed")) dataset.embed = "";
  if (["light", "dark"].includes(query.get("theme"))) dataset.theme = query.get("theme");
}

async function start() {
  readAddress();
  const boot = byId("boot");
  try {
    const engine = new Engine();
    const model = await engine.ready;
    showModel(model);
    const app = new App(model, engine);
    setUpTeaching(app);
    boot.hidden = true;
    document.documentElement.dataset.ready = "";
    await showCard();
  } catch (error) {
    boot.textContent = `The page cannot start: ${error.message}. It needs a web server that sends its files, and a browser of the last few years.`;
    boot.classList.add("bad");
  }
}

start();
