/** Tells of progress now and then, `everyMs` apart: at first nothing, so that short work stays silent. */
export function paced<Progress extends readonly unknown[]>(
  tell: (...progress: Progress) => void,
  everyMs = 5000,
): (...progress: Progress) => void {
  let last = performance.now();
  return (...progress) => {
    const now = performance.now();
    if (now - last < everyMs) return;
    last = now;
    tell(...progress);
  };
}
