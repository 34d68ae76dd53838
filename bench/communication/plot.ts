// The milliseconds of a step over the number of ranks, a panel for each link, as SVG.
import type { SideName } from "./messages.ts";
import type { Row } from "./table.ts";

/** One colour for each project, one kind of line for each reduction. */
const lines: Readonly<Record<SideName, { color: string; dashes: string }>> = {
  "ours, scalars": { color: "#0072b2", dashes: "none" },
  "ours, features": { color: "#0072b2", dashes: "6 4" },
  "FastCLIP (PyTorch)": { color: "#d55e00", dashes: "none" },
  "OpenCLIP (PyTorch)": { color: "#d55e00", dashes: "6 4" },
};
const panel = { width: 250, height: 230, gap: 60, left: 60, top: 50 };
const keyWidth = 210;
const linkNames: Readonly<Record<string, string>> = { none: "link without limit" };

interface Scale {
  readonly x: (ranks: number) => number;
  readonly y: (milliseconds: number) => number;
  readonly ranks: readonly number[];
  /** Powers of ten. */
  readonly ticks: readonly number[];
}

export function plot(rows: readonly Row[]): string {
  const shared = rows.filter(({ ranks }) => ranks > 1);
  const links = [...new Set(shared.map(({ link }) => link))];
  const scale = scaleOf(shared);
  const sides = [...new Set(shared.map(({ side }) => side))];
  const width = panel.left + Math.max(links.length * (panel.width + panel.gap), sides.length * keyWidth);
  const height = panel.top + panel.height + 80;
  const panels = links.map((link, i) => {
    const rowsOfLink = shared.filter((row) => row.link === link);
    const x = panel.left + i * (panel.width + panel.gap);
    return `<g transform="translate(${x} ${panel.top})">${drawPanel(link, rowsOfLink, scale)}</g>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    "<title>Milliseconds of a step's communication by ranks, links and sides</title>",
    `<rect width="${width}" height="${height}" fill="white"/>`,
    text(
      { x: panel.left, y: 18 },
      "milliseconds of a step's communication (with its loss), by number of ranks",
      "start",
    ),
    ...panels,
    ...sides.map((side, i) => drawKey(side, { x: panel.left + i * keyWidth, y: height - 20 })),
    "</svg>\n",
  ].join("\n");
}

function scaleOf(rows: readonly Row[]): Scale {
  const ranks = [...new Set(rows.map((row) => row.ranks))].sort((a, b) => a - b);
  const powers = rows.map(({ milliseconds }) => Math.log10(milliseconds));
  const [low, high] = [Math.floor(Math.min(...powers)), Math.max(...powers) + 0.1];
  return {
    ranks,
    ticks: Array.from({ length: Math.floor(high) - low + 1 }, (_, i) => 10 ** (low + i)),
    x: (value) => ((ranks.indexOf(value) + 0.5) / ranks.length) * panel.width,
    y: (value) => panel.height * (1 - (Math.log10(value) - low) / (high - low)),
  };
}

function drawPanel(link: string, rows: readonly Row[], { x, y, ranks, ticks }: Scale): string {
  const grid = ticks.map(
    (tick) =>
      `<path d="M0 ${round(y(tick))}H${panel.width}" stroke="#ddd"/>${text({ x: -6, y: y(tick) + 4 }, `${tick}`, "end")}`,
  );
  const labels = ranks.map((value) => text({ x: x(value), y: panel.height + 18 }, `${value}`, "middle"));
  const curves = [...new Set(rows.map(({ side }) => side))].map((side) => {
    const points = rows.filter((row) => row.side === side).map((row) => [x(row.ranks), y(row.milliseconds)].map(round));
    const { color, dashes } = lines[side];
    const dots = points.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3" fill="${color}"/>`);
    const path = points.map((point) => point.join(" ")).join("L");
    return `<path d="M${path}" fill="none" stroke="${color}" stroke-width="2" stroke-dasharray="${dashes}"/>${dots.join("")}`;
  });
  const title = text({ x: panel.width / 2, y: -10 }, linkNames[link] ?? link, "middle");
  return [...grid, title, ...labels, ...curves].join("\n");
}

function drawKey(side: SideName, { x, y }: { x: number; y: number }): string {
  const { color, dashes } = lines[side];
  const line = `<path d="M${x} ${y}h36" stroke="${color}" stroke-width="2" stroke-dasharray="${dashes}"/>`;
  return line + text({ x: x + 44, y: y + 4 }, side, "start");
}

function text({ x, y }: { x: number; y: number }, content: string, anchor: "start" | "middle" | "end"): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" fill="#222">${content}</text>`;
}

const round = (value: number): number => Math.round(value * 10) / 10;
