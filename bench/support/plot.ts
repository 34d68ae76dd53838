// Lines over a number in panels side by side, as SVG.

interface Line {
  readonly name: string;
  readonly color: string;
  /** Of SVG: "none", "6 4". */
  readonly dashes: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
  /** Of both axes: whether equal distances are equal factors. */
  readonly logarithmic: boolean;
}

/** Okabe and Ito's colours, which colour-blind readers tell apart: ours and OpenCLIP's. */
export const colors = { ours: "#0072b2", peer: "#d55e00" };

const size = { width: 300, height: 220, gap: 70, left: 60, top: 60, keyWidth: 230 };

export function plot(title: string, panels: readonly Panel[]): string {
  const names = new Map(panels.flatMap(({ lines }) => lines.map((line) => [line.name, line] as const)));
  const width = size.left + Math.max(panels.length * (size.width + size.gap), names.size * size.keyWidth);
  const height = size.top + size.height + 80;
  const drawn = panels.map((panel, i) => {
    const x = size.left + i * (size.width + size.gap);
    return `<g transform="translate(${x} ${size.top})">${drawPanel(panel)}</g>`;
  });
  const keys = [...names.values()].map((line, i) =>
    drawKey(line, { x: size.left + i * size.keyWidth, y: height - 20 }),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>${title}</title>`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    text({ x: size.left, y: 20 }, title, "start"),
    ...drawn,
    ...keys,
    "</svg>\n",
  ].join("\n");
}

function drawPanel({ title, lines, logarithmic }: Panel): string {
  const points = lines.flatMap((line) => line.points);
  const heights = points.map(([, value]) => value);
  const x = axis(
    points.map(([value]) => value),
    { length: size.width, logarithmic },
  );
  const y = axis(
    // A factor of 10 at least, or noise would look like a course.
    [...heights, ...(logarithmic ? [Math.max(...heights) / 10] : [])],
    { length: size.height, logarithmic },
  );
  const up = (value: number): number => size.height - y.place(value);
  const grid = y.ticks.map(
    (tick) =>
      `<path d="M0 ${round(up(tick))}H${size.width}" stroke="#ddd"/>${text({ x: -6, y: up(tick) + 4 }, label(tick), "end")}`,
  );
  const labels = x.ticks.map((tick) => text({ x: x.place(tick), y: size.height + 18 }, label(tick), "middle"));
  const curves = lines.map((line) => {
    const path = line.points.map(([px, py]) => `${round(x.place(px))} ${round(up(py))}`);
    // A few points are marked; many would hide each other.
    const marks = path.length > 20 ? [] : path.map((point) => mark(point, line.color));
    const stroke = `stroke="${line.color}" stroke-width="1.5" stroke-dasharray="${line.dashes}"`;
    return `<path d="M${path.join("L")}" fill="none" ${stroke}/>${marks.join("")}`;
  });
  return [...grid, text({ x: size.width / 2, y: -12 }, title, "middle"), ...labels, ...curves].join("\n");
}

function mark(point: string, color: string): string {
  const [cx, cy] = point.split(" ");
  return `<circle cx="${cx}" cy="${cy}" r="3" fill="${color}"/>`;
}

interface Axis {
  readonly place: (value: number) => number;
  readonly ticks: readonly number[];
}

function axis(values: readonly number[], { length, logarithmic }: { length: number; logarithmic: boolean }): Axis {
  const scale = logarithmic ? Math.log10 : (value: number): number => value;
  const low = logarithmic ? Math.min(...values) : Math.min(0, ...values);
  const [from, to] = [scale(low), scale(Math.max(...values))];
  const range = to - from || 1;
  return {
    place: (value) => ((scale(value) - from) / range) * length,
    ticks: logarithmic ? logarithmicTicks(from, to) : evenTicks(from, to),
  };
}

/** 1, 2 and 5 times powers of ten, or the powers alone where those would be many. */
function logarithmicTicks(from: number, to: number): number[] {
  const powers = Array.from({ length: Math.ceil(to) - Math.floor(from) + 1 }, (_, i) => 10 ** (Math.floor(from) + i));
  const all = to - from > 3 ? powers : powers.flatMap((power) => [power, 2 * power, 5 * power]);
  return all.filter((tick) => Math.log10(tick) >= from - 1e-9 && Math.log10(tick) <= to + 1e-9);
}

function evenTicks(from: number, to: number): number[] {
  const rough = (to - from) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough)!;
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step);
}

function drawKey({ name, color, dashes }: Line, { x, y }: { x: number; y: number }): string {
  const line = `<path d="M${x} ${y}h36" stroke="${color}" stroke-width="2" stroke-dasharray="${dashes}"/>`;
  return line + text({ x: x + 44, y: y + 4 }, name, "start");
}

function text({ x, y }: { x: number; y: number }, content: string, anchor: "start" | "middle" | "end"): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" fill="#222">${content}</text>`;
}

const label = (value: number): string =>
  value >= 1e4 ? value.toExponential(0).replace("e+", "e") : `${Number(value.toPrecision(3))}`;

const round = (value: number): number => Math.round(value * 10) / 10;
