/** `npm run build`: TypeScript to `dist/`, with the data files that the code reads beside it. */
import { spawnSync } from "node:child_process";
import { chmod, cp, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const path = (name: string) => `${root}${name}`;

/** Read at run time, relative to the module that reads them. */
const dataFiles = /\.(json|mjs|py|html|css|svg)$/;

await rm(path("dist"), { recursive: true, force: true });
const { status } = spawnSync(
  process.execPath,
  [path("node_modules/typescript/bin/tsc"), "-p", path("tsconfig.build.json")],
  {
    stdio: "inherit",
  },
);
if (status !== 0) {
  // Half a build would be taken for a whole one.
  await rm(path("dist"), { recursive: true, force: true });
  process.exit(status ?? 1);
}
await cp(path("src"), path("dist"), {
  recursive: true,
  filter: (source) => !source.includes("/console") && (!/\.\w+$/.test(source) || dataFiles.test(source)),
});
await chmod(path("dist/cli/main.js"), 0o755);
