/**
 * The file of a thread that lies beside the module `beside`. In the sources it is TypeScript, which a thread of Node 20 runs once tsx is
 * registered in it.
 */
export function workerFile(name: string, { beside }: { beside: string }): URL {
  if (!beside.endsWith(".ts")) return new URL(`./${name}.js`, beside);
  const tsx = JSON.stringify(import.meta.resolve("tsx/esm/api"));
  const file = JSON.stringify(new URL(`./${name}.ts`, beside).href);
  return new URL(`data:text/javascript,import{register}from${tsx};register();await import(${file});`);
}
