// Random numbers as a function of what they are for, so that nothing depends on which thread drew them, or when.

/** Spreads 32 bits over 32 bits (the finalizer of MurmurHash3, Appleby 2011); a bijection. */
export function mix32(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** One 32-bit number from several integers, each up to 2^53: equal integers give equal numbers. */
export function hash32(words: readonly number[]): number {
  let hash = 0x9e3779b9;
  for (const word of words) {
    hash = mix32(hash ^ mix32(word % 2 ** 32));
    hash = mix32(hash + 0x9e3779b9 + mix32(Math.floor(word / 2 ** 32)));
  }
  return hash;
}

/** The next number of a stream, uniform in [0, 1). */
export type Random = () => number;

/**
 * The stream of random numbers that belongs to these integers, for example (seed, epoch, id).
 * The generator is sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state, no multiplication.
 */
export function createRandom(words: readonly number[]): Random {
  let a = hash32([...words, 1]) | 0;
  let b = hash32([...words, 2]) | 0;
  let c = hash32([...words, 3]) | 0;
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  // The author's own seeding throws away the first 12 numbers.
  for (let i = 0; i < 12; i++) next();
  return next;
}

/** Uniform in [low, high). */
export function uniform(random: Random, low: number, high: number): number {
  return low + random() * (high - low);
}
