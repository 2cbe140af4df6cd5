// The sound of the clip: its segment or all that is shown.

import { byId, clock } from "./shared/elements.js";

export class Player {
  /** `moved` is called with the position in the recording, in seconds, or null when it is silent. */
  constructor(moved) {
    this.audio = byId("audio");
    this.moved = moved;
    this.view = null;
    this.stopAt = null;
    this.audio.onplay = () => this.#showState(true);
    this.audio.onpause = () => this.#showState(false);
    this.audio.onseeked = () => this.moved(this.position);
  }

  get position() {
    return this.view ? this.view.start + this.audio.currentTime : 0;
  }

  get isPlaying() {
    return !this.audio.paused;
  }

  /** Takes the sound of another view; null for none. */
  show(view) {
    this.audio.pause();
    this.other?.pause();
    this.view = view;
    if (view) this.audio.src = view.sound;
    else this.audio.removeAttribute("src");
    byId("clock").textContent = "";
    this.moved(null);
  }

  /** Plays from one instant of the recording to another. */
  play(from, to) {
    if (!this.view) return;
    this.audio.currentTime = Math.max(0, from - this.view.start);
    this.stopAt = to;
    this.audio.play().catch(() => {});
  }

  /** Plays another sound than that of the clip, from its start to its end. */
  playOther(address) {
    this.audio.pause();
    this.other ??= new Audio();
    this.other.src = address;
    this.other.play().catch(() => {});
  }

  stop() {
    this.audio.pause();
  }

  #showState(isPlaying) {
    const button = byId("play");
    button.textContent = isPlaying ? "❚❚" : "▶";
    button.ariaLabel = isPlaying ? "Stop" : "Play the clip";
    if (isPlaying) this.#tick();
  }

  #tick() {
    if (this.audio.paused || !this.view) return;
    const { position } = this;
    if (this.stopAt !== null && position >= this.stopAt) {
      this.audio.pause();
      return;
    }
    byId("clock").textContent = clock(position);
    this.moved(position);
    requestAnimationFrame(() => this.#tick());
  }
}
