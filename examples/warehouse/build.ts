/** Bundles the two functions into `.build/orders`, where `orders.yaml` looks for them. */
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export async function buildFunctions(outDir: string = here(".build/orders")): Promise<void> {
  for (const name of ["intake", "worker"]) {
    const build = await rolldown({ input: here(`orders/${name}.ts`), platform: "node", logLevel: "warn" });
    try {
      await build.write({ file: `${outDir}/${name}.mjs`, format: "esm", codeSplitting: false });
    } finally {
      await build.close();
    }
  }
}

if (import.meta.main) await buildFunctions();
