/** What becomes of the targets behind a network load balancer, and of the connections to them, on a node that restarts. */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls, createServer as createTls } from "node:tls";
import { ACMClient, RequestCertificateCommand } from "@aws-sdk/client-acm";
import {
  CreateListenerCommand,
  CreateLoadBalancerCommand,
  CreateTargetGroupCommand,
  DeregisterTargetsCommand,
  ModifyTargetGroupAttributesCommand,
  RegisterTargetsCommand,
  type CreateListenerCommandInput,
  type CreateTargetGroupCommandInput,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { afterAll, beforeAll, expect, it } from "vitest";
import { clientsOf, type Clients } from "../../../test/clients.ts";
import { freePort } from "../../../test/upstream.ts";
import { issueCertificate } from "../../base/x509.ts";
import { startMikan, type Mikan } from "../../mikan.ts";
import { silentLog } from "../../telemetry/log.ts";
import { must } from "./bench.suite.ts";

let data: string;
let mikan: Mikan;
let clients: Clients;
let balancer: string;
const servers: Server[] = [];

async function start(): Promise<void> {
  mikan = await startMikan({ data, log: silentLog });
  clients = clientsOf(mikan.url);
}

async function stop(): Promise<void> {
  clients.destroy();
  await mikan.close(0);
}

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "mikan-network-"));
  await start();
  const input = { Name: "net", Type: "network" as const, Subnets: ["subnet-a"] };
  const { LoadBalancers } = await clients.elb.send(new CreateLoadBalancerCommand(input));
  balancer = must(LoadBalancers?.[0]?.LoadBalancerArn);
}, 60_000);

afterAll(async () => {
  await stop();
  for (const server of servers) server.close();
  await rm(data, { recursive: true, force: true });
});

async function portOf(server: Server): Promise<number> {
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

function echo(name: string) {
  return (socket: Socket) => {
    // A health check leaves as it came.
    socket.on("error", () => socket.destroy());
    socket.on("data", (bytes: Buffer) => socket.write(`${name}:${bytes.toString()}`));
  };
}

const targetAt = (Port: number) => ({ Id: "127.0.0.1", Port });

/** A listener before a group of one target. */
async function front(Name: string, targetPort: number, secured: Secured = {}) {
  const { elb } = clients;
  const { group = {}, listener = {} } = secured;
  const where = { Port: targetPort, VpcId: "vpc-1", TargetType: "ip" as const };
  const { TargetGroups } = await elb.send(new CreateTargetGroupCommand({ Name, Protocol: "TCP", ...where, ...group }));
  const TargetGroupArn = must(TargetGroups?.[0]?.TargetGroupArn);
  await elb.send(new RegisterTargetsCommand({ TargetGroupArn, Targets: [targetAt(targetPort)] }));
  const Port = await freePort();
  const DefaultActions = [{ Type: "forward" as const, TargetGroupArn }];
  const input = { LoadBalancerArn: balancer, Protocol: "TCP" as const, Port, DefaultActions };
  await elb.send(new CreateListenerCommand({ ...input, ...listener }));
  return { port: Port, group: TargetGroupArn };
}

interface Secured {
  group?: Partial<CreateTargetGroupCommandInput>;
  listener?: Partial<CreateListenerCommandInput>;
}

async function heard(socket: Socket, words: string): Promise<string> {
  socket.write(words);
  const [bytes] = (await once(socket, "data")) as [Buffer];
  return bytes.toString();
}

const dial = (port: number) => connect({ port, host: "127.0.0.1" });

it("connections outlive their target's registration, unless they are to end with the delay", async () => {
  const [first, second] = [await portOf(createServer(echo("first"))), await portOf(createServer(echo("second")))];
  const { port, group: TargetGroupArn } = await front("drained", first);
  const { elb } = clients;
  const set = (Key: string, Value: string) =>
    elb.send(new ModifyTargetGroupAttributesCommand({ TargetGroupArn, Attributes: [{ Key, Value }] }));
  await set("deregistration_delay.timeout_seconds", "1");
  const stays = dial(port);
  expect(await heard(stays, "1")).toBe("first:1");
  await elb.send(new RegisterTargetsCommand({ TargetGroupArn, Targets: [targetAt(second)] }));
  await elb.send(new DeregisterTargetsCommand({ TargetGroupArn, Targets: [targetAt(first)] }));
  const later = dial(port);
  expect(await heard(later, "2")).toBe("second:2");
  expect(await heard(stays, "3")).toBe("first:3");
  stays.destroy();
  await set("deregistration_delay.connection_termination.enabled", "true");
  await elb.send(new RegisterTargetsCommand({ TargetGroupArn, Targets: [targetAt(first)] }));
  const ended = expect(once(later, "close")).rejects.toMatchObject({ code: "ECONNRESET" });
  await elb.send(new DeregisterTargetsCommand({ TargetGroupArn, Targets: [targetAt(second)] }));
  await ended;
}, 60_000);

it("TLS ends at the listener and begins again to a target of TLS, whoever that says it is", async () => {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const subject = { commonName: "somebody.example.com" };
  const { publicKey, privateKey } = pair;
  const cert = issueCertificate(
    {
      subject,
      names: ["somebody.example.com"],
      publicKey,
      notBefore: Date.now() - 60_000,
      notAfter: Date.now() + 60 * 60_000,
      serial: randomBytes(16),
    },
    { subject, ...pair },
  );
  const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const acm = new ACMClient({
    endpoint: mikan.url,
    region: "us-east-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  });
  const { CertificateArn } = await acm.send(new RequestCertificateCommand({ DomainName: "net.example.com" }));
  acm.destroy();
  const { port } = await front("secure", await portOf(createTls({ cert, key }, echo("secure"))), {
    group: { Protocol: "TLS" },
    listener: { Protocol: "TLS", Certificates: [{ CertificateArn }] },
  });
  const socket = connectTls({ port, host: "127.0.0.1", servername: "net.example.com", rejectUnauthorized: false });
  await once(socket, "secureConnect");
  expect(await heard(socket, "hello")).toBe("secure:hello");
  socket.destroy();
}, 60_000);

it("its connections are counted, and its listeners are there again after a restart", async () => {
  const { port } = await front("kept", await portOf(createServer(echo("kept"))));
  const before = dial(port);
  expect(await heard(before, "1")).toBe("kept:1");
  const metrics = await (await fetch(`${mikan.url}/_mikan/metrics`)).text();
  expect(metrics).toMatch(new RegExp(`edge_connections\\{load_balancer="${balancer}"\\} [1-9]`));
  before.on("error", () => {}).destroy();
  await stop();
  await expect(once(dial(port), "connect")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  await start();
  const after = dial(port);
  expect(await heard(after, "2")).toBe("kept:2");
  after.destroy();
}, 60_000);
