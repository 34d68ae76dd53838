// Numbers as people read them, the same on the terminal, in the table and in the report.

const unknown = "–";

/** 4 significant digits: 2.143, 0.04121, 1,234, 4.1e-5. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e9))
    return value
      .toExponential(3)
      .replace(/\.?0+e/, "e")
      .replace("e+", "e");
  return value.toLocaleString("en-US", size >= 1000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 4 });
}

/** 12345 -> "12,345". */
export function formatCount(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString("en-US") : unknown;
}

/** A share as a percentage: 0.184 -> "18.4 %", 0.00052 -> "0.052 %". */
export function formatPercent(share: number): string {
  if (!Number.isFinite(share)) return unknown;
  const percent = share * 100;
  const digits =
    Math.abs(percent) >= 1 || percent === 0 ? 1 : Math.min(6, 1 - Math.floor(Math.log10(Math.abs(percent))));
  return `${percent.toFixed(digits)} %`;
}

/** How many times better than guessing: "353 ×"; empty where chance is unknown. */
export function formatTimesChance(value: number, chance: number): string {
  const times = value / chance;
  if (!(chance > 0) || !Number.isFinite(times)) return unknown;
  return `${times >= 10 ? formatCount(times) : times.toFixed(1)} ×`;
}

/** Decimal units: "812 MB", "1.21 GB". */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes)) return unknown;
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(2)} GB`;
  return bytes >= 1e6 ? `${Math.round(bytes / 1e6)} MB` : `${Math.round(bytes / 1e3)} kB`;
}

/** The two largest units: "42 s", "3 min 05 s", "2 h 07 min", "3 d 04 h". Below ten seconds with a decimal. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return unknown;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const two = (large: number, largeUnit: string, small: number, smallUnit: string): string =>
    `${large} ${largeUnit} ${String(small).padStart(2, "0")} ${smallUnit}`;
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return two(Math.floor(whole / 60), "min", whole % 60, "s");
  if (whole < 86_400) return two(Math.floor(whole / 3600), "h", Math.floor(whole / 60) % 60, "min");
  return two(Math.floor(whole / 86_400), "d", Math.floor(whole / 3600) % 24, "h");
}

/**
 * Text that does nothing on a terminal but stand there: file names and captions come from anywhere, and an escape sequence in one could
 * move the cursor or rename the window. Line ends and tabs stay.
 */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
