/** `mikan up`: starts a node and keeps it until it is told to end. */
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { systemClock } from "../base/clock.ts";
import { asError } from "../base/errors.ts";
import { type ContainerSettings, startMikan } from "../mikan.ts";
import { createLog } from "../telemetry/log.ts";
import { say, UserError, type Command } from "./command.ts";

const portDefault = "4566";
const dataDefault = ".mikan";
/** Requests under way when the node is told to end get this long. */
const graceMs = 10_000;

function numberOf(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new UserError(`--${option} must be a whole number from ${min} to ${max}, and is ${text}`);
  }
  return value;
}

function originOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol)) return url.origin;
  throw new UserError(`--link-url must be a URL of http or https, and is ${text}`);
}

function isolationOf(text: string | undefined): { isolation?: "sandbox" | "process" } {
  if (text === undefined) return {};
  if (text === "sandbox" || text === "process") return { isolation: text };
  throw new UserError(`--isolation must be sandbox or process, and is ${text}`);
}

interface ContainerFlags {
  compute?: string | undefined;
  image: readonly string[];
  "no-pull": boolean;
}

function containersOf({ compute = "process", image, "no-pull": noPull }: ContainerFlags): ContainerSettings {
  if (compute !== "process" && compute !== "container") {
    throw new UserError(`--compute must be process or container, and is ${compute}`);
  }
  const images = image.map((text) => {
    const [, runtime = "", reference = ""] = /^([^=]+)=(.+)$/.exec(text) ?? [];
    if (reference === "")
      throw new UserError(`--image must be like ruby3.4=public.ecr.aws/lambda/ruby:3.4, and is ${text}`);
    return [runtime, reference] as const;
  });
  return { everything: compute === "container", images: Object.fromEntries(images), pull: !noPull };
}

function rootKeyOf(environment: NodeJS.ProcessEnv) {
  const accessKeyId = environment["MIKAN_ROOT_ACCESS_KEY_ID"];
  const secretAccessKey = environment["MIKAN_ROOT_SECRET_ACCESS_KEY"];
  // Half a key is a mistake; without it the node would believe everybody.
  if (Boolean(accessKeyId) !== Boolean(secretAccessKey)) {
    throw new UserError("MIKAN_ROOT_ACCESS_KEY_ID and MIKAN_ROOT_SECRET_ACCESS_KEY belong together; only one is set");
  }
  return accessKeyId && secretAccessKey ? { rootKey: { accessKeyId, secretAccessKey } } : {};
}

export const up: Command = {
  summary: "start a node",
  usage: `mikan up [--port ${portDefault}] [--data DIR|postgres://... | --ephemeral] [--edge-workers N]
         [--edge-spare] [--access-log DIR|-] [--isolation sandbox|process]
         [--compute process|container] [--image RUNTIME=IMAGE]... [--no-pull]
         [--egress PORT [--egress-policies FILE] [--egress-unverified] [--egress-link-local]
                        [--egress-allow HOST|CIDR]... [--egress-refuse HOST|CIDR]...]
         [--lambda-concurrency N] [--link-url URL]
         [--host ADDRESS] [--host-name NAME]... [--log-level debug|info|warn|error]

  --data         where everything is kept: a directory (default ${dataDefault}) or a PostgreSQL URL
  --ephemeral    keep nothing: a temporary directory, gone at the end
  --edge-workers threads that carry the load balancers' traffic (default 1)
  --edge-spare   keep one more of them ready, for about 15 MB: where one dies its place is taken sooner
  --access-log   access logs of all load balancers, in AWS's format: files in DIR, or - for standard output
  --isolation    functions see their own files and processes alone (sandbox, the default where bubblewrap runs),
                 or are plain processes of the node's user (process)
  --compute      where functions of zip files run: processes of this machine (the default), or containers of the
                 Docker-compatible engine that DOCKER_HOST names or that is found. --image gives the image of a
                 runtime, and then that runtime is always in containers: --image ruby3.4=local/ruby:3.4. Others are
                 AWS's own. --no-pull fetches no image from a registry. Functions that are images need no flag
  --egress       a forward proxy on this port of 127.0.0.1: Host: example.com.ccnproxy-https goes to
                 https://example.com over connections that are kept. --egress-policies sets policies at the start:
                 JSON, by host (api.example.com, *.example.com, *). --egress-unverified takes any certificate,
                 --egress-link-local goes to link-local addresses (the machine's metadata) too, --egress-allow
                 only to these hosts (also *.example.com) and blocks of addresses, --egress-refuse not to these
  --lambda-concurrency
                 executions of functions at once, of an account in a region (default 1000)
  --link-url     where links and the certificate in messages of topics lead (SNS), if not to the node itself:
                 https://events.example.com, a load balancer before it
  --host         address to listen on (default 127.0.0.1); any other needs MIKAN_ROOT_ACCESS_KEY_ID
                 and MIKAN_ROOT_SECRET_ACCESS_KEY in the environment, which switch signature verification on
  --host-name    a further name by which clients address the node`,
  async run(args) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        port: { type: "string", default: process.env["MIKAN_PORT"] ?? portDefault },
        data: { type: "string" },
        ephemeral: { type: "boolean", default: false },
        host: { type: "string", default: "127.0.0.1" },
        "host-name": { type: "string", multiple: true, default: [] },
        "edge-workers": { type: "string", default: "1" },
        "edge-spare": { type: "boolean", default: false },
        isolation: { type: "string" },
        compute: { type: "string" },
        image: { type: "string", multiple: true, default: [] },
        "no-pull": { type: "boolean", default: false },
        "access-log": { type: "string" },
        egress: { type: "string" },
        "egress-unverified": { type: "boolean", default: false },
        "egress-link-local": { type: "boolean", default: false },
        "egress-policies": { type: "string" },
        "egress-allow": { type: "string", multiple: true, default: [] },
        "egress-refuse": { type: "string", multiple: true, default: [] },
        "lambda-concurrency": { type: "string" },
        "link-url": { type: "string" },
        "log-level": { type: "string", default: "warn" },
      },
    });
    if (values.ephemeral && values.data !== undefined) throw new UserError("--data and --ephemeral exclude each other");
    const level = (["debug", "info", "warn", "error"] as const).find((name) => name === values["log-level"]);
    if (level === undefined) throw new UserError(`--log-level must be debug, info, warn or error`);
    const data = values.ephemeral ? undefined : dataOf(values.data ?? dataDefault);

    const ended = new Promise<undefined>((resolve) => {
      process.once("SIGINT", () => resolve(undefined));
      process.once("SIGTERM", () => resolve(undefined));
    });
    const starting = startMikan({
      port: numberOf("port", values.port, 0, 65_535),
      host: values.host,
      hostNames: values["host-name"],
      edgeWorkers: numberOf("edge-workers", values["edge-workers"], 1, 64),
      edgeSpare: values["edge-spare"],
      ...isolationOf(values.isolation),
      containers: containersOf(values),
      log: createLog({ clock: systemClock, level }),
      ...(data === undefined ? {} : { data }),
      ...(values.egress === undefined
        ? {}
        : {
            egress: {
              port: numberOf("egress", values.egress, 0, 65_535),
              verify: !values["egress-unverified"],
              allowLinkLocal: values["egress-link-local"],
              allow: values["egress-allow"],
              refuse: values["egress-refuse"],
            },
          }),
      ...(values["egress-policies"] === undefined
        ? {}
        : { egressPolicies: await policiesIn(values["egress-policies"]) }),
      ...(values["lambda-concurrency"] === undefined
        ? {}
        : { lambdaConcurrency: numberOf("lambda-concurrency", values["lambda-concurrency"], 100, 100_000) }),
      ...(values["link-url"] === undefined ? {} : { linkUrl: originOf(values["link-url"]) }),
      ...(values["access-log"] === undefined ? {} : { accessLog: values["access-log"] }),
      ...rootKeyOf(process.env),
    });
    const mikan = await Promise.race([starting, ended]);
    // Nothing is promised yet, and a start that hangs, on a database that does not answer, cannot be waited for.
    if (mikan === undefined) process.exit(1);
    say(
      `Mikan is ready at ${mikan.url} (${data === undefined ? "ephemeral: nothing is kept" : `data in ${withoutPassword(data)}`})`,
    );
    await ended;
    say("Ending: requests under way may finish.");
    await mikan.close(graceMs);
    return 0;
  },
};

/** The policies of a file, by host; what they say is checked by who runs them. */
async function policiesIn(file: string): Promise<Record<string, object>> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new UserError(`--egress-policies: ${asError(cause).message}`);
  });
  const policies = parsed(file, text);
  if (!isObject(policies) || !Object.values(policies).every(isObject)) {
    throw new UserError(`--egress-policies: ${file} is no JSON object of objects, by host`);
  }
  return Object.fromEntries(Object.entries(policies));
}

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function parsed(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UserError(`--egress-policies: ${file} is no JSON: ${asError(cause).message}`);
  }
}

/** A URL of something else would become a directory of that name. */
function dataOf(data: string): string {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(data) && !/^postgres(ql)?:\/\//.test(data)) {
    throw new UserError(`--data is a directory or a postgres:// URL, and is ${data}`);
  }
  return data;
}

function withoutPassword(data: string): string {
  return data.replace(/^(postgres(?:ql)?:\/\/[^:@/]+):[^@/]*@/, "$1:***@");
}
