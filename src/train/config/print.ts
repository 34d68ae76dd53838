import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from "node:fs";
import { Document, isSeq, visit } from "yaml";
import type { Config } from "./types.ts";

/** The whole configuration as YAML, defaults included. Loading it gives the same configuration again. */
export function printConfig(config: Config): string {
  const document = new Document(config, { aliasDuplicateObjects: false });
  visit(document, {
    Seq: (_, sequence) => {
      if (isSeq(sequence)) sequence.flow = true;
    },
  });
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

/** Writes `printConfig(config)` to `file`, whole or not at all. */
export function saveConfig(config: Config, file: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  const descriptor = openSync(temporary, "w");
  try {
    writeFileSync(descriptor, printConfig(config));
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, file);
}
