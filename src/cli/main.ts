#!/usr/bin/env node
// The `fastclip` command. A subcommand's code is loaded only when it runs, so that --help and --version come at once.
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { ConfigError } from "../train/config/errors.ts";

interface Entry {
  readonly summary: string;
  load(): Promise<Command>;
}

const entries: Readonly<Record<string, Entry>> = {
  quickstart: {
    summary: "build the demonstration data, train a small model on it, evaluate it and write a report",
    load: async () => (await import("./quickstart.ts")).command(),
  },
  train: {
    summary: "train a CLIP model, or go on with a run that was stopped",
    load: async () => (await import("./train.ts")).command(),
  },
  eval: {
    summary: "measure zero-shot classification and retrieval of a trained model",
    load: async () => (await import("./eval.ts")).command(),
  },
  data: {
    summary: "pack pictures into shards, check and show them, or build the demonstration data set",
    load: async () => (await import("./data.ts")).command(),
  },
  doctor: {
    summary: "check the machine and the installation, and say how to mend what is wrong",
    load: async () => (await import("./doctor.ts")).command(),
  },
  parity: {
    summary: "replay vectors computed by the reference implementation and compare",
    load: async () => (await import("./parity.ts")).command(),
  },
};

const examples = `
Examples:
  fastclip quickstart                                   everything at once, on pictures that need no download by hand
  fastclip train --train-data 'shards/{000..099}.tar' --model ViT-S-32 --epochs 30
  fastclip train --config run.yaml --loss openclip      the same run with the loss of OpenCLIP
  fastclip train --config run.yaml --resume runs/first  go on where it stopped

FASTCLIP_DEBUG=1 shows where an error came from.`;

function version(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

/** Errors of a command and of those below it come back here instead of ending the process, each in one line. */
function withExitOverride(command: Command): Command {
  command.exitOverride().configureOutput({
    outputError: (text, write) =>
      write(
        `${text
          .replace(/^error: /, "fastclip: ")
          .trimEnd()
          .replaceAll("\n", " ")}\n`,
      ),
  });
  for (const child of command.commands) withExitOverride(child);
  return command;
}

/** The command line of `words`, with the code of the one command that they name. */
async function programFor(words: readonly string[]): Promise<Command> {
  const program = new Command("fastclip")
    .description("Train CLIP models with FastCLIP's losses, or with OpenCLIP's")
    .usage("<command> [flags]")
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help, or that of a command")
    .addHelpText("after", examples);
  const named = words.filter((word) => !word.startsWith("-"));
  const wanted = named[0] === "help" ? named[1] : named[0];
  for (const [name, { summary, load }] of Object.entries(entries)) {
    program.addCommand((name === wanted ? await load() : new Command(name)).summary(summary));
  }
  return withExitOverride(program);
}

/** Says what went wrong in one sentence. Returns the exit status: 2 where the command line or the settings are at fault, else 1. */
function report(error: unknown): number {
  // Commander has already written its own sentence.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (process.env["FASTCLIP_DEBUG"] === "1") console.error(error);
  else console.error(`fastclip: ${error instanceof Error ? error.message : String(error)}`);
  return error instanceof ConfigError ? 2 : 1;
}

/** Runs the command line `words` (without node and the script) and returns its exit status. */
async function main(words: readonly string[]): Promise<number> {
  try {
    const program = await programFor(words);
    await program.parseAsync(words, { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return report(error);
  }
}

// `fastclip ... | head` closes the pipe while there is more to say; that is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

process.exitCode = await main(process.argv.slice(2));
