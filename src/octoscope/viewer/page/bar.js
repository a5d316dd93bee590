// The scale's bar: what each colour means, in the words of the files.

import { blendOf, mapOf, short } from "octoscope/colors.js";
import { color } from "octoscope/theme.js";

// WIDTH was measured when the page was laid out: asking for it while drawing would do that again.
export function drawBar(box, width, look, top) {
  const canvas = box.firstElementChild, ratio = Math.min(2, devicePixelRatio || 1), height = 36;
  if (canvas.width !== Math.round(width * ratio)) { canvas.width = Math.round(width * ratio); canvas.height = height * ratio; }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  if (!look?.scale) return;
  const { scale } = look, left = 0, long = Math.min(280, width * 0.46), table = blendOf(), colors = mapOf(scale.diverging);
  for (let x = 0; x < long; x++) {
    const level = Math.round((x / (long - 1)) * 255), t = (level * 256 + 128) * 3;
    context.fillStyle = scale.diverging ? `rgb(${colors[3 * level]},${colors[3 * level + 1]},${colors[3 * level + 2]})` : `rgb(${table[t]},${table[t + 1]},${table[t + 2]})`;
    context.fillRect(left + x, 4, 1.5, 10);
  }
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "alphabetic";
  scale.ticks().forEach(([place, text], at, ticks) => {
    const x = left + place * long;
    context.fillStyle = color("ink");
    context.fillRect(Math.min(x, left + long - 1), 14, 1, 3);
    context.fillStyle = scale.kind === "even" && !scale.diverging && at === 0 ? color("mark") : color("quiet");
    context.textAlign = at === 0 ? "left" : at === ticks.length - 1 ? "right" : "center";
    context.fillText(text, x, 28);
  });
  context.textAlign = "left";
  context.fillStyle = color("quiet");
  const told = [scale.title(), scale.diverging ? `bars to ±${short(top)}` : `bars to ${short(top)}; blue stroke: even attention`];
  told.forEach((text, line) => context.fillText(fitted(context, text, width - long - 16), long + 16, 13 + 15 * line));
}

function fitted(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  while (text.length > 4 && context.measureText(text + "…").width > width) text = text.slice(0, -1);
  return text + "…";
}
