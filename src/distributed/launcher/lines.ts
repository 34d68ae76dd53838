import type { Readable, Writable } from "node:stream";

/** Passes a process' output on, each line whole and with the prefix. */
export function forwardLines(from: Readable, to: Writable, prefix: string): void {
  let rest = "";
  from.setEncoding("utf8");
  from.on("data", (text: string) => {
    const lines = text.split("\n");
    lines[0] = rest + lines[0];
    rest = lines.pop()!;
    if (lines.length > 0) to.write(lines.map((line) => `${prefix}${line}\n`).join(""));
  });
  from.on("end", () => {
    if (rest !== "") to.write(`${prefix}${rest}\n`);
  });
}
