/** A line of the launcher's own. */
export function say(sentence: string): void {
  process.stderr.write(`fastclip: ${sentence}\n`);
}
