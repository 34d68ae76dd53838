// No process outlives the launcher that started it, however that ended.
import { endWithParent } from "../../tensor/index.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** In a process' environment: the process number of its launcher. */
export const launcherVariable = "FASTCLIP_LAUNCHER";

/** To be called early in a process that a launcher may have started. Throws where the launcher has ended already. */
export function tether(environment: Environment): void {
  const launcher = environment[launcherVariable];
  if (launcher === undefined) return;
  endWithParent();
  // The launcher may have ended before the kernel was told; its children then have another parent.
  if (process.ppid !== Number(launcher)) throw new Error(`the launcher of this process (${launcher}) has ended`);
}
