/** nginx and HAProxy in front of an endpoint, as the next hop that has to read what the edge sends on. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, type Stage } from "../edge.suite.ts";

export type PeerName = "nginx" | "haproxy";

const configs: Record<PeerName, (port: number, upstream: number, directory: string) => string> = {
  nginx: (port, upstream, directory) => `
    daemon off; master_process off; pid ${directory}/pid; error_log stderr;
    events { worker_connections 256; }
    http {
      access_log off;
      client_body_temp_path ${directory}/body; proxy_temp_path ${directory}/proxy;
      fastcgi_temp_path ${directory}/f; uwsgi_temp_path ${directory}/u; scgi_temp_path ${directory}/s;
      large_client_header_buffers 8 64k; client_max_body_size 16m;
      server {
        listen 127.0.0.1:${port};
        location / { proxy_pass http://127.0.0.1:${upstream}; proxy_http_version 1.1; proxy_set_header Connection ""; }
      }
    }`,
  haproxy: (port, upstream) => `
    global
      tune.bufsize 131072
    defaults
      mode http
      timeout connect 5s
      timeout client 30s
      timeout server 30s
    listen front
      bind 127.0.0.1:${port}
      server upstream 127.0.0.1:${upstream}\n`,
};
const argumentsOf: Record<PeerName, (file: string, directory: string) => string[]> = {
  nginx: (file, directory) => ["-e", "stderr", "-p", directory, "-c", file],
  haproxy: (file) => ["-db", "-f", file],
};

/** Whether this machine has it. */
export function hasPeer(name: PeerName): boolean {
  return spawnSync(name, ["-v"]).status === 0;
}

/** Starts it in front of `upstream`; gives its port. It goes with the stage. */
export async function startPeer(stage: Stage, name: PeerName, upstream: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), `${name}-`));
  const file = join(directory, "conf");
  const port = await freePort();
  writeFileSync(file, configs[name](port, upstream, directory));
  const child = spawn(name, argumentsOf[name](file, directory), { stdio: "ignore" });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  stage.later(async () => {
    child.kill("SIGKILL");
    await ended;
    rmSync(directory, { recursive: true, force: true });
  });
  while (!(await accepts(port))) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`);
  }
  return port;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => setTimeout(() => resolve(false), 20));
  });
}
