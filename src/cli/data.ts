// `fastclip data`.
import { Command } from "commander";
import { checkCommand } from "./data/check.ts";
import { demoCommand } from "./data/demo.ts";
import { indexCommand } from "./data/make-index.ts";
import { packCommand } from "./data/pack.ts";
import { showCommand } from "./data/show.ts";

export function command(): Command {
  return new Command("data")
    .description("Data sets")
    .addCommand(packCommand())
    .addCommand(indexCommand())
    .addCommand(checkCommand())
    .addCommand(showCommand())
    .addCommand(demoCommand());
}
