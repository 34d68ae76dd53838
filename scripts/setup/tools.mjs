// The tools that set-up needs, and the commands that install those that are missing.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { capture } from "./process.mjs";
import { SetupError } from "./report.mjs";

const oldestNode = [20, 19];

const tools = [
  {
    name: `Node.js ${oldestNode.join(".")} or later`,
    find: async () => (nodeIsNewEnough(process.versions.node) ? `node ${process.versions.node}` : undefined),
    install: { debian: "nodejs", fedora: "nodejs", macos: "node" },
  },
  {
    name: "Python 3 with pip",
    find: async () => firstLine("python3", ["-m", "pip", "--version"], /\(python .*\)|^pip \S+/),
    install: { debian: "python3-pip", fedora: "python3-pip", macos: "python" },
  },
  {
    name: "a C++20 compiler",
    find: findCompiler,
    install: { debian: "g++", fedora: "gcc-c++", macos: "llvm" },
  },
  {
    name: "CMake",
    find: () => firstLine("cmake", ["--version"], /\S+$/, "cmake "),
    install: { debian: "cmake", fedora: "cmake", macos: "cmake" },
  },
  {
    name: "Ninja",
    find: () => firstLine("ninja", ["--version"], /.+/, "ninja "),
    install: { debian: "ninja-build", fedora: "ninja-build", macos: "ninja" },
  },
];

/** One line naming the tools found. Throws with all that are missing, and how each system installs them. */
export async function checkTools() {
  if (process.platform === "win32") throw new SetupError("fastclip needs Linux or macOS; on Windows use WSL.");
  const found = await Promise.all(tools.map((tool) => tool.find()));
  const missing = tools.filter((_, index) => found[index] === undefined);
  if (missing.length > 0) throw new SetupError(explainMissing(missing));
  return found.join(", ");
}

/** The sentence and commands for tools that are not there. */
function explainMissing(missing) {
  const packages = (system) => missing.map((tool) => tool.install[system]).join(" ");
  const lines = [
    `missing: ${missing.map((tool) => tool.name).join(", ")}. Install with`,
    `  Debian, Ubuntu: sudo apt install ${packages("debian")}`,
    `  Fedora:         sudo dnf install ${packages("fedora")}`,
    `  macOS:          brew install ${packages("macos")}`,
  ];
  if (missing.some((tool) => tool.find === findCompiler)) {
    lines.push("  (an older compiler is there? GCC 11, Clang 14 and Xcode 15 are new enough; CXX names another one)");
  }
  return lines.join("\n");
}

function nodeIsNewEnough(version) {
  const [major, minor] = version.split(".").map(Number);
  return major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
}

async function firstLine(command, args, pattern, prefix = "") {
  const { code, output } = await capture(command, args);
  const match = code === 0 ? output.trim().split("\n")[0].match(pattern) : undefined;
  return match ? prefix + match[0] : undefined;
}

/** The first compiler, in CMake's order, that compiles a few lines of C++20 with its standard library. */
async function findCompiler() {
  const folder = mkdtempSync(join(tmpdir(), "fastclip-compiler-"));
  try {
    const source = join(folder, "try.cpp");
    writeFileSync(
      source,
      "#include <concepts>\n#include <span>\nint f(std::integral auto x, std::span<int> s) { return s[x]; }\n",
    );
    for (const command of process.env.CXX ? [process.env.CXX] : ["c++", "g++", "clang++"]) {
      const { code } = await capture(command, ["-std=c++20", "-fsyntax-only", source]);
      if (code === 0) return await firstLine(command, ["--version"], /.+/);
    }
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
