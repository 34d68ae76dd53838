// The command line that the launcher's processes get.

interface OwnCommand {
  readonly execArgv: readonly string[];
  /** Node, the script and what follows it. */
  readonly argv: readonly string[];
}

/** This process' own command line as arguments for Node, without the named flags (`--flag value` or `--flag=value`) of the launcher. */
export function commandWithout(flags: readonly string[], { execArgv, argv }: OwnCommand): string[] {
  const words = argv.slice(1);
  const kept = words.filter((word, index) => {
    const flag = (text = ""): boolean => flags.some((name) => text === name);
    return !flag(word) && !flag(words[index - 1]) && !flags.some((name) => word.startsWith(`${name}=`));
  });
  return [...execArgv, ...kept];
}
