// What stands on a sheet beside its pictures, the same in both forms.
import type { Card, Sheet } from "./sheet.ts";

export function heading({ cards, size, seed, epoch, augmentations }: Sheet): string {
  const epochs = augmentations === 1 ? `epoch ${epoch}` : `epochs ${epoch} to ${epoch + augmentations - 1}`;
  const [first, samples] = augmentations === 1 ? ["first", "of"] : [`first of epoch ${epoch}`, "in"];
  return `${cards.length} samples, the ${first} ${samples} ${epochs} with seed ${seed}, ${size} x ${size} pixels`;
}

/** What is not read of a caption; undefined where all of it is. */
export function cutNote({ tokens }: Card, { contextLength }: Sheet): string | undefined {
  return tokens > contextLength ? `cut: ${contextLength} of ${tokens} tokens are read` : undefined;
}

/** Samples that stand side by side. */
export function cardsAcross({ augmentations }: Pick<Sheet, "augmentations">): number {
  return Math.max(1, Math.floor(6 / augmentations));
}

/** How many times larger a picture is drawn: small ones so that one can see them, every pixel a square. */
export function enlargement(size: number): number {
  return Math.max(1, Math.round(128 / size));
}
