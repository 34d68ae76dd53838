import { z } from "zod";

/** What a setting says about itself beside its type: flags, help, JSON Schema and the documentation are made from this. */
export interface SettingMeta {
  readonly description: string;
  /** Heading of a section in the help and in the documentation. */
  readonly title?: string;
  /** Name of the command-line flag without its dashes. A union's flag chooses its member. */
  readonly flag?: string;
  /** What stands for the value in the help: `--lr <number>`. */
  readonly value?: string;
  readonly unit?: string;
  /** What the value has to be, where the words made from its type would not say it. */
  readonly form?: string;
  /**
   * Tells settings apart that have one place in different kinds and do not mean the same: a flag that changes the kind leaves such
   * a setting of the file behind.
   */
  readonly role?: string;
}

const registry: z.core.$ZodRegistry<SettingMeta> = z.registry<SettingMeta>();

/** Attaches `meta` to the outermost layer of a schema, so after `.default()` and `.optional()`. */
export function described<T extends z.ZodType>(schema: T, meta: SettingMeta): T {
  registry.add(schema, meta);
  return schema;
}

/** The JSON Schema of what a user may write, with flag, value, unit and title still on the nodes. */
export function annotatedJsonSchema(schema: z.ZodType): unknown {
  const metadata = registry as z.core.$ZodRegistry<SettingMeta & Record<string, unknown>>;
  return z.toJSONSchema(schema, { io: "input", metadata });
}
