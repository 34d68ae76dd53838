import type { Readable, Writable } from "node:stream";

/** Cuts a stream into lines; `receive` gets all that have come at once, and the rest at the end if it is not empty. */
export function onLines(from: Readable, receive: (lines: readonly string[]) => void): void {
  let rest = "";
  from.setEncoding("utf8");
  from.on("data", (text: string) => {
    const lines = text.split("\n");
    lines[0] = rest + lines[0];
    rest = lines.pop()!;
    if (lines.length > 0) receive(lines);
  });
  from.on("end", () => {
    if (rest !== "") receive([rest]);
  });
}

/** Passes a process' output on, each line whole and with the prefix. */
export function forwardLines(from: Readable, to: Writable, prefix: string): void {
  onLines(from, (lines) => to.write(lines.map((line) => `${prefix}${line}\n`).join("")));
}
