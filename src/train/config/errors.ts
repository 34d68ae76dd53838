/** A configuration that cannot be used. Its message names every problem found, each in one line. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      problems.length === 1 ? problems[0] : `${problems.length} problems in the settings:\n  ${problems.join("\n  ")}`,
    );
    this.problems = problems;
  }
}
