// `--profile` on the commands that train.
import { type Command, Option } from "commander";
import { atLeast } from "./launch.ts";

/** As commander gives it. */
export interface ProfileFlags {
  /** Steps that are looked at. */
  readonly profile?: number;
}

const usualSteps = "20";

export function addProfileOption(command: Command): Command {
  const option = new Option(
    "--profile [steps]",
    `After the first steps, say where the time of the next ones goes (default: ${usualSteps}), and leave a trace in profile.json`,
  );
  return command.addOption(option.preset(usualSteps).argParser(atLeast(1)));
}
