/**
 * The file of a thread, `name` without its ending, beside the module at `base` (its import.meta.url). In the sources it is TypeScript,
 * which a thread of Node 20 runs once tsx is registered in it.
 */
export function workerFile(name: string, base: string): URL {
  if (!base.endsWith(".ts")) return new URL(`./${name}.js`, base);
  const tsx = JSON.stringify(import.meta.resolve("tsx/esm/api"));
  const file = JSON.stringify(new URL(`./${name}.ts`, base).href);
  return new URL(`data:text/javascript,import{register}from${tsx};register();await import(${file});`);
}
