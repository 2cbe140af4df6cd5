// The part of the page that collects examples, trains and offers the new model.

import { showModel } from "./about.js";
import { save } from "./downloads.js";
import { dropped } from "./input.js";
import { Microphone } from "./microphone.js";
import { byId, clock, element, percent } from "./text.js";

const INTRODUCTION =
  "Give examples of each sound: files, or recordings of a few seconds. The last layer of the " +
  "network is trained here, in a second or two, and the result is a model like this one.";

/** One sound to learn: its name and examples. */
class Lesson {
  constructor(teacher, name) {
    this.teacher = teacher;
    this.examples = [];
    this.name = element("input", { type: "text", value: name, ariaLabel: "Name of the sound" });
    this.name.oninput = () => teacher.update();
    this.count = element("p", { className: "quiet", role: "status" });
    this.files = element("input", { type: "file", multiple: true, hidden: true, ariaLabel: "Examples" });
    this.files.onchange = () => {
      this.add([...this.files.files]);
      this.files.value = "";
    };
    this.record = element("button", { type: "button" });
    this.record.onclick = () => this.toggle();
    const choose = element("button", { type: "button" }, "Add files");
    choose.onclick = () => this.files.click();
    const remove = element("button", { type: "button", className: "link" }, "Remove");
    remove.onclick = () => teacher.remove(this);
    const buttons = element("div", { className: "buttons" }, this.record, choose);
    this.box = element("li", { className: "class" }, this.name, this.count, buttons, this.files, remove);
    this.#listenForDrops();
    this.update();
  }

  get label() {
    return this.name.value.trim();
  }

  update() {
    const ready = this.examples.filter((one) => one.rows);
    const failed = this.examples.filter((one) => one.error);
    const open = this.examples.length - ready.length - failed.length;
    const seconds = ready.reduce((sum, one) => sum + one.seconds, 0);
    const parts = [`${ready.length} example${ready.length === 1 ? "" : "s"}, ${clock(seconds)}`];
    if (open) parts.push(`${open} in work`);
    for (const one of failed.slice(0, 2)) parts.push(`${one.name}: ${one.error}`);
    this.count.textContent = parts.join("; ");
    const isOn = Boolean(this.microphone);
    const text = isOn ? "Stop" : "Record";
    this.record.replaceChildren(element("span", { className: "dot", ariaHidden: "true" }), text);
    this.record.ariaPressed = String(isOn);
  }

  /** Adds sounds; each becomes embeddings in the worker. */
  add(blobs, name) {
    for (const blob of blobs) {
      const example = { name: blob.name ?? name };
      this.examples.push(example);
      this.teacher
        .ask("embed", { blob })
        .then((answer) => Object.assign(example, answer))
        .catch((error) => (example.error = error.message))
        .finally(() => this.teacher.update());
    }
    this.teacher.update();
  }

  async toggle() {
    this.record.disabled = true;
    try {
      if (this.microphone) {
        const { microphone } = this;
        this.microphone = null;
        this.add([await microphone.stop()], `recording ${this.examples.length + 1}`);
      } else this.microphone = await Microphone.start(() => {});
    } catch (error) {
      this.teacher.tell(error.message, true);
    }
    this.record.disabled = false;
    this.update();
  }

  #listenForDrops() {
    const { box } = this;
    const mark = (is) => box.classList.toggle("over", is);
    box.addEventListener("dragover", (event) => {
      event.preventDefault();
      mark(true);
    });
    box.addEventListener("dragleave", () => mark(false));
    box.addEventListener("drop", async (event) => {
      event.preventDefault();
      mark(false);
      this.add((await dropped(event.dataTransfer)).map((one) => one.file));
    });
  }
}

class Teacher {
  constructor(app) {
    this.app = app;
    this.lessons = [];
    const add = element("button", { type: "button" }, "Add a sound");
    add.onclick = () => this.addLesson(`sound ${this.lessons.length + 1}`).name.select();
    this.train = element("button", { type: "button", className: "primary" }, "Train");
    this.train.onclick = () => this.run();
    this.list = element("ul", { className: "classes" });
    this.list.style.listStyle = "none";
    this.list.style.padding = "0";
    this.status = element("p", { className: "status", role: "status" });
    this.result = element("div", { className: "steps" });
    byId("teach").append(
      element("h2", { id: "teach-title" }, "Teach it your own sounds"),
      element("p", { className: "quiet" }, INTRODUCTION),
      this.list,
      element("div", { className: "buttons" }, this.train, add),
      ...[this.status, this.result],
    );
    byId("teach").hidden = false;
    this.addLesson("sound 1");
    this.addLesson("sound 2");
  }

  /** Asks the worker; the answer, or an error. */
  ask(action, values, transfer) {
    return new Promise((resolve, reject) => {
      const message = { type: "teach", action, ...values };
      const id = this.app.engine.send(
        message,
        ({ answer, error }) => {
          this.app.engine.forget(id);
          if (error) reject(new Error(error));
          else resolve(answer);
        },
        transfer,
      );
    });
  }

  tell(text, isBad = false) {
    this.status.textContent = text;
    this.status.classList.toggle("bad", isBad);
  }

  addLesson(name) {
    const lesson = new Lesson(this, name);
    this.lessons.push(lesson);
    this.list.append(lesson.box);
    this.update();
    return lesson;
  }

  remove(lesson) {
    this.lessons = this.lessons.filter((one) => one !== lesson);
    lesson.box.remove();
    this.update();
  }

  /** Why it cannot be trained yet; empty if it can. */
  get missing() {
    const names = this.lessons.map((one) => one.label);
    if (names.length < 2) return "Two sounds are needed at least.";
    if (names.some((one) => !one)) return "Give every sound a name.";
    if (new Set(names).size < names.length) return "Give every sound a name of its own.";
    if (names.some((one) => one.includes(";"))) return "A name cannot have a semicolon in it.";
    const empty = this.lessons.find((one) => !one.examples.some((example) => example.rows));
    return empty ? `No example of ${empty.label} yet.` : "";
  }

  update() {
    for (const one of this.lessons) one.update();
    this.train.disabled = this.missing !== "";
    this.tell(this.missing);
  }

  async run() {
    this.tell("Training");
    this.train.disabled = true;
    const labels = this.lessons.map((one) => one.label);
    const examples = this.lessons.flatMap((one, label) =>
      one.examples.filter((example) => example.rows).map(({ rows }) => ({ rows, label })),
    );
    try {
      const answer = await this.ask("train", { labels, examples, name: "taught" });
      this.tell("Trained");
      this.#show(answer, labels, examples.length);
    } catch (error) {
      this.tell(error.message, true);
    }
    this.train.disabled = false;
  }

  #show({ content, model, confusion, numFitted }, labels, count) {
    const download = element("button", { type: "button", className: "primary" }, "Download the new model");
    download.onclick = () => save(new Blob([content]), "taught.onnx", "application/octet-stream");
    const use = element("button", { type: "button" }, "Use it on this page");
    use.onclick = async () => {
      await this.ask("use", { model, content });
      showModel(model);
      this.app.useModel(model);
      this.tell("This page now uses the new model.");
    };
    this.result.replaceChildren(
      ...(confusion ? heldOut(confusion, labels, count) : tooFew(numFitted, count)),
      element("div", { className: "buttons" }, download, use),
      element(
        "p",
        { className: "quiet" },
        "Predict with it: ",
        element("code", {}, "earmark predict taught.onnx recordings"),
      ),
    );
  }
}

/** The accuracy on examples that were held out, and what was taken for what. */
function heldOut(confusion, labels, count) {
  const correct = confusion.reduce((sum, row, index) => sum + row[index], 0);
  const text = `Held-out accuracy: ${percent(correct / count)}, ${correct} of ${count} examples. Each was predicted by a model that was trained without it.`;
  const head = element("tr", {}, element("th", { scope: "col" }, "true sound"));
  for (const one of labels) head.append(element("th", { scope: "col" }, one));
  const rows = confusion.map((row, index) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, labels[index]),
      ...row.map((value) => element("td", {}, String(value))),
    ),
  );
  const table = element(
    "table",
    { className: "confusion" },
    element("thead", {}, head),
    element("tbody", {}, ...rows),
  );
  const box = element("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: "Predicted sounds" }, table);
  return [element("p", { id: "accuracy" }, text), box];
}

function tooFew(numFitted, count) {
  const text = `No held-out accuracy: give two or more examples of each sound. It predicts ${numFitted} of the ${count} examples that it was trained on.`;
  return [element("p", { id: "accuracy" }, text)];
}

export function setUpTeaching(app) {
  if ("embed" in document.documentElement.dataset) return;
  new Teacher(app);
}
