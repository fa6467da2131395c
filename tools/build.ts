/**
 * `npm run build [DIR]`: what is published, in `dist/`. tsc checks it and writes the declarations; rolldown joins the
 * modules, as a node that loads 300 of them one by one is ready 60 ms later and 14 MB larger.
 */
import { spawnSync } from "node:child_process";
import { chmod, cp, glob, readFile, rm } from "node:fs/promises";
import { join, posix, relative, resolve } from "node:path";
import { rolldown, type Plugin } from "rolldown";

const root = resolve(import.meta.dirname, "..");
const sources = join(root, "src");

/** Files that somebody starts or imports by their path: they keep the one they have in `src/`. */
const programs = ["mikan", "cli/main", "edge/worker", "services/cloudformation/source-worker"];

/** Started with every environment of a function, which sees this file and no other of the package: CommonJS, as that starts sooner. */
const script = "compute/process/runtime-node/main";

/** Read at run time, relative to the module that reads them. */
const dataFiles = "**/*.{json,mjs,py,html,css,svg}";

const builtName = (id: string) => relative(sources, id).replaceAll("\\", "/").replace(/\.ts$/, ".js");

/** A module finds what lies beside it by its own URL, also when it is joined with others in a file elsewhere. */
function ownUrls(): Plugin {
  return {
    name: "own-urls",
    transform(code, id) {
      if (!id.startsWith(sources) || !code.includes("import.meta.url")) return undefined;
      const name = builtName(id);
      // In the sources an import ends in `.ts`: this is a path that is given to something else, as a thread's is.
      for (const [, path] of code.matchAll(/"(\.{1,2}\/[^"]+)\.js"/g)) {
        const program = posix.join(posix.dirname(name), path ?? "");
        if (!programs.includes(program)) this.error(`${id} starts ${program}, which tools/build.ts does not build`);
      }
      return { code: code.replaceAll("import.meta.url", `__urlOf("${name}")`), map: null };
    },
    renderChunk(code, { fileName }) {
      return code.replaceAll(/__urlOf\("([^"]+)"\)/g, (_, name: string) => {
        if (name === fileName) return "import.meta.url";
        return `new URL("${posix.relative(posix.dirname(fileName), name)}", import.meta.url).href`;
      });
    },
  };
}

function writeDeclarations(outDir: string): void {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const args = [tsc, "-p", join(root, "tsconfig.build.json"), "--emitDeclarationOnly", "--outDir", outDir];
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
  if (status !== 0) throw new Error(`tsc ended with ${status}`);
}

async function joinModules(outDir: string): Promise<void> {
  const { dependencies } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { dependencies: object };
  const build = await rolldown({
    input: Object.fromEntries(programs.map((name) => [name, join(sources, `${name}.ts`)])),
    external: Object.keys(dependencies),
    platform: "node",
    plugins: [ownUrls()],
    logLevel: "warn",
  });
  try {
    await build.write({
      dir: outDir,
      format: "esm",
      comments: false,
      entryFileNames: "[name].js",
      chunkFileNames: "chunks/[name].js",
    });
  } finally {
    await build.close();
  }
}

async function writeScript(outDir: string): Promise<void> {
  const build = await rolldown({ input: join(sources, `${script}.ts`), platform: "node", logLevel: "warn" });
  try {
    await build.write({ file: join(outDir, `${script}.cjs`), format: "cjs", comments: false, codeSplitting: false });
  } finally {
    await build.close();
  }
}

/** Builds into `outDir`, which is emptied first, and left empty on failure: half a build would be taken for a whole one. */
export async function buildPackage(outDir: string): Promise<void> {
  const remove = () => rm(outDir, { recursive: true, force: true });
  await remove();
  try {
    writeDeclarations(outDir);
    await joinModules(outDir);
    await writeScript(outDir);
    for await (const file of glob(dataFiles, { cwd: sources, exclude: ["console/**"] })) {
      await cp(join(sources, file), join(outDir, file));
    }
    await chmod(join(outDir, "cli/main.js"), 0o755);
  } catch (error) {
    await remove();
    throw error;
  }
}

if (import.meta.main) await buildPackage(resolve(process.argv[2] ?? join(root, "dist")));
