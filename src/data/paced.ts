/** Tells of progress now and then: of the first, and of what comes `everyMs` or more after the last that was told. */
export function paced<T>(tell: (progress: T) => void, everyMs = 10_000): (progress: T) => void {
  let next = 0;
  return (progress) => {
    const now = performance.now();
    if (now < next) return;
    next = now + everyMs;
    tell(progress);
  };
}
