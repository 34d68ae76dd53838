// `fastclip data`.
import { Command } from "commander";
import { demoCommand } from "./data/demo.ts";
import { packCommand } from "./data/pack.ts";

export function command(): Command {
  return new Command("data").description("Data sets").addCommand(demoCommand()).addCommand(packCommand());
}
