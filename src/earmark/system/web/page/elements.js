// Elements, colours and times of all pages.

const LIGHT = ["#3b6fd4", "#c2410c", "#0f7f6f", "#9333a8", "#a16207", "#be185d", "#3f6212", "#475569"];
const DARK = ["#7aa7ff", "#ff9d5c", "#3fd0b8", "#d894f5", "#eac04a", "#ff8ab5", "#a3d65c", "#a5b4c8"];

export function isDark() {
  const { theme } = document.documentElement.dataset;
  if (theme) return theme === "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** The colour of a label. */
export function colorOf(index) {
  const palette = isDark() ? DARK : LIGHT;
  return palette[index % palette.length];
}

export function clock(seconds) {
  const whole = Math.floor(seconds + 1e-9);
  const parts = [Math.floor(whole / 60) % 60, whole % 60];
  if (whole >= 3600) parts.unshift(Math.floor(whole / 3600));
  return parts.map((one, index) => (index ? String(one).padStart(2, "0") : one)).join(":");
}

export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("--")) made.style.setProperty(key, value);
    else if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

export const byId = (id) => document.getElementById(id);
