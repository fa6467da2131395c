/** The card: shares, latencies, and the strip of the last tiles. It is drawn at most once a frame. */
import { windowLength } from "./tiles.js";

const kinds = ["monolith", "function", "failed"];
const $ = (selector) => document.querySelector(selector);

export function createLegend() {
  /** The last answers of all, and the last latencies of each server. */
  const recent = [];
  const latencies = { monolith: [], function: [] };
  let inView = { monolith: 0, function: 0, failed: 0 };
  let drawn = true;

  const draw = () => {
    drawn = true;
    const shares = Object.fromEntries(kinds.map((kind) => [kind, shareOf(recent, kind)]));
    for (const kind of kinds) drawRow(kind, shares[kind], inView[kind], latencies[kind]);
    setText($("[data-last]"), lastFailure(recent));
    sayStatus(shares, recent.length);
    drawStrip(recent);
  };
  const redraw = () => {
    if (!drawn) return;
    drawn = false;
    requestAnimationFrame(draw);
  };
  addEventListener("resize", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  draw();

  return {
    add(answer) {
      push(recent, answer);
      if (answer.by !== "failed") push(latencies[answer.by], answer.ms);
      redraw();
    },
    showInView(counts) {
      inView = counts;
      redraw();
    },
  };
}

function push(list, value) {
  list.push(value);
  if (list.length > windowLength) list.shift();
}

function shareOf(recent, kind) {
  return recent.length === 0 ? 0 : recent.filter((answer) => answer.by === kind).length / recent.length;
}

function drawRow(kind, share, count, ms) {
  const row = $(`tr[data-by="${kind}"]`);
  row.classList.toggle("rests", share === 0);
  setText(row.querySelector("[data-share]"), percent(share));
  setText(row.querySelector("[data-view]"), String(count));
  $(`.bar .${kind}`).style.width = `${share * 100}%`;
  if (!ms) return;
  const sorted = ms.toSorted((a, b) => a - b);
  const at = (part) => (sorted.length === 0 ? "–" : milliseconds(sorted[Math.ceil(part * sorted.length) - 1]));
  setText(row.querySelector("[data-p50]"), at(0.5));
  setText(row.querySelector("[data-p99]"), at(0.99));
}

function lastFailure(recent) {
  return recent.findLast((answer) => answer.by === "failed")?.why ?? "";
}

/** Said aloud by a screen reader, and so only when it changes: no figures that move all the time. */
function sayStatus(shares, count) {
  const [who, text] = statusOf(shares, count);
  const status = $("#status");
  if (status.textContent === text) return;
  const [before, after] = text.split(who);
  status.replaceChildren(before, Object.assign(document.createElement("b"), { textContent: who }), after);
}

function statusOf(shares, count) {
  if (count === 0) return ["first", "Waiting for the first tile."];
  if (shares.failed > 0.5) return ["Most tiles fail", "Most tiles fail."];
  if (shares.function === 0) return ["the monolith", "All tiles come from the monolith."];
  if (shares.monolith === 0) return ["the function", "All tiles come from the function."];
  return ["both", "Tiles come from both servers."];
}

/** One stroke for each tile: as high as it was slow, by its logarithm; one that failed reaches the top. */
function drawStrip(recent) {
  const canvas = $("#strip");
  const colours = getComputedStyle(document.documentElement);
  const scale = devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const step = width / windowLength;
  const stroke = Math.max(1, step - 1);
  const maxMs = Math.max(10, ...recent.map((answer) => answer.ms));
  const heightOf = (ms) => Math.max(3, (Math.log1p(ms) / Math.log1p(maxMs)) * height);
  for (let slot = 0; slot < windowLength; slot++) {
    const answer = recent[slot - (windowLength - recent.length)];
    const high = !answer ? 2 : answer.by === "failed" ? height : heightOf(answer.ms);
    pen.fillStyle = colours.getPropertyValue(answer ? `--${answer.by}` : "--track");
    pen.beginPath();
    pen.roundRect(slot * step, height - high, stroke, high, Math.min(1, stroke / 2));
    pen.fill();
  }
  setText($("#strip-max"), recent.length === 0 ? "" : `slowest ${milliseconds(maxMs)} ms`);
}

/** 99.6% is not 100%: what is not all is never shown as all, and what is not nothing never as nothing. */
function percent(share) {
  const whole = Math.round(share * 100);
  if (whole === 100 && share < 1) return "99%";
  if (whole === 0 && share > 0) return "1%";
  return `${whole}%`;
}

function milliseconds(ms) {
  return ms < 10 ? ms.toFixed(1) : String(Math.round(ms));
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
