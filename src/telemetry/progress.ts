/** Milliseconds between two lines. */
const interval = 5000;

/** Says now and then how far a long work is: nothing at first, so that a short one stays silent. */
export function progressLines(what: string, write: (line: string) => void): (done: number, total: number) => void {
  const start = performance.now();
  let last = start;
  return (done, total) => {
    const now = performance.now();
    if (now - last < interval) return;
    last = now;
    write(`${done} of ${total} ${what}, ${Math.round((1000 * done) / (now - start))} a second`);
  };
}
