// What every build of the addon begins with.
import { installPackages, packagesLack } from "./packages.mjs";
import { checkTools } from "./tools.mjs";

/** The tools are there, and the npm packages are those of the lock file. */
export async function prepareBuild(report, { root, build }) {
  await report.step("tools", "looking for what the build needs", checkTools);
  if (!packagesLack(root)) return;
  await report.step("packages", "npm ci", async () => {
    await installPackages(root, build);
    return "installed from package-lock.json";
  });
}
