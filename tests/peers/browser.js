// Measures the page that it stands in and writes what it found into it, as JSON.
const channels = (color) => color.match(/[\d.]+/g).map(Number);
const luminance = (color) => {
  const [r, g, b] = channels(color).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (one, other) => {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const color = getComputedStyle(at).backgroundColor;
    const [, , , alpha = 1] = channels(color);
    if (alpha > 0) return color;
  }
  return "rgb(255, 255, 255)";
};
const all = [...document.querySelectorAll("body *")];
const texts = all.filter((e) => !e.closest("svg") && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
const marks = [...document.querySelectorAll("svg .done, svg .rest, svg .line")];
const paint = (e) => (e.classList.contains("line") ? getComputedStyle(e).stroke : getComputedStyle(e).fill);
const worst = (found) => found.sort((a, b) => a[0] - b[0])[0];
const shown = (e) => e.checkVisibility() && !e.closest("caption") && e.tagName !== "SCRIPT";
const page = document.documentElement;
const measured = {
  width: page.clientWidth,
  scroll: page.scrollWidth,
  outside: all.filter(shown).filter((e) => !e.closest(".wide, svg") && e.getBoundingClientRect().right > page.clientWidth + 1)
    .map((e) => `${e.tagName} ${e.className}`),
  small: Math.min(...texts.filter(shown).map((e) => parseFloat(getComputedStyle(e).fontSize))),
  text: worst(texts.filter(shown).map((e) => [contrast(getComputedStyle(e).color, ground(e)), e.textContent.slice(0, 40)])),
  mark: worst(marks.map((e) => [contrast(paint(e), ground(e.closest("section"))), e.getAttribute("class")])),
  dark: luminance(getComputedStyle(document.body).backgroundColor) < 0.2,
  scripts: document.scripts.length - 1,
  images: document.images.length,
  pictures: [...document.querySelectorAll("svg[role=img]")].map((e) => e.getAttribute("aria-label") || e.querySelector("title").textContent),
  unnamed: document.querySelectorAll("svg:not([role=img]):not([aria-hidden])").length,
  axes: [...document.querySelectorAll(".axis span")].map((e) => e.getBoundingClientRect()).filter((r) => r.left < 0).length,
  title: document.title,
};
const told = document.createElement("pre");
told.id = "measured";
told.textContent = JSON.stringify(measured);
parent.document.body.append(told);
