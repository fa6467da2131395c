/** gRPC as its users have it: grpc-js on both sides, unmodified, with an HTTPS listener and a GRPC target group between. */
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import type { Duplex, Readable, Writable } from "node:stream";
import { ACMClient, GetCertificateCommand, RequestCertificateCommand } from "@aws-sdk/client-acm";
import {
  CreateListenerCommand,
  CreateLoadBalancerCommand,
  CreateTargetGroupCommand,
  DescribeTargetHealthCommand,
  RegisterTargetsCommand,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { must } from "../src/base/errors.ts";
import { startMikan, type Mikan } from "../src/mikan.ts";
import { clientsOf, type Clients } from "./clients.ts";
import { freePort } from "./upstream.ts";

const home = new URL("./clients/grpc/package.json", import.meta.url);
const installed = existsSync(new URL("node_modules", home));

/** The part of grpc-js that is used here: it has a lockfile of its own, and no types where it is not installed. */
interface Grpc {
  Server: new () => Server;
  ServerCredentials: { createInsecure(): object };
  Metadata: new () => Metadata;
  credentials: { createSsl(ca: Buffer): object };
  makeGenericClientConstructor(
    service: object,
    name: string,
  ): new (address: string, credentials: object, options: object) => Client;
}
interface Server {
  addService(service: object, handlers: object): void;
  bindAsync(address: string, credentials: object, done: (error: Error | null, port: number) => void): void;
  forceShutdown(): void;
}
interface Metadata {
  set(name: string, value: string): void;
  get(name: string): string[];
}
interface Status {
  code: number;
  details: string;
  metadata: Metadata;
}
type Failure = Error & Status;
type Answer = (error: Failure | null, value?: unknown) => void;
interface Call {
  on(event: "status", listener: (status: Status) => void): this;
  on(event: "metadata", listener: (metadata: Metadata) => void): this;
}
interface Client {
  Greet(request: unknown, metadata: Metadata, answer: Answer): Call;
  Hang(request: unknown, metadata: Metadata, options: { deadline: number }, answer: Answer): Call;
  Count(request: unknown): Readable & Call;
  Sum(answer: Answer): Writable & Call;
  Chat(): Duplex & Call;
  close(): void;
}
interface Asked {
  request: unknown;
  metadata: Metadata;
  cancelled: boolean;
}

const [notFound, deadlineExceeded, unavailable] = [5, 4, 14];

const json = {
  requestSerialize: (value: unknown) => Buffer.from(JSON.stringify(value)),
  requestDeserialize: (bytes: Buffer): unknown => (bytes.length === 0 ? {} : JSON.parse(bytes.toString())),
  responseSerialize: (value: unknown) => Buffer.from(JSON.stringify(value)),
  responseDeserialize: (bytes: Buffer): unknown => JSON.parse(bytes.toString()),
};
const method = (path: string, requestStream: boolean, responseStream: boolean) => ({
  path,
  requestStream,
  responseStream,
  ...json,
});
const greeter = {
  Greet: method("/shop.Greeter/Greet", false, false),
  Hang: method("/shop.Greeter/Hang", false, false),
  Count: method("/shop.Greeter/Count", false, true),
  Sum: method("/shop.Greeter/Sum", true, false),
  Chat: method("/shop.Greeter/Chat", true, true),
};
const health = { Check: method("/grpc.health.v1.Health/Check", false, false) };

describe.skipIf(!installed)("grpc-js IS NOT INSTALLED: npm ci --prefix test/clients/grpc", () => {
  let grpc: Grpc;
  let mikan: Mikan;
  let clients: Clients;
  let acm: ACMClient;
  let server: Server;
  let client: Client;
  let groupArn: string;
  /** Of calls that never answer: whether they were given up. */
  const hanging: Asked[] = [];
  let healthStatus = 0;

  async function serve(): Promise<number> {
    server = new grpc.Server();
    server.addService(greeter, {
      Greet({ request, metadata }: Asked, answer: (...of: unknown[]) => void) {
        const trailers = new grpc.Metadata();
        trailers.set("x-trailer", "after all");
        const { name } = request as { name: string };
        if (name === "nobody") answer({ code: notFound, details: "nobody is “there”", metadata: trailers });
        else answer(null, { text: `hello ${name}`, tenant: metadata.get("x-tenant")[0] }, trailers);
      },
      Hang: (call: Asked) => void hanging.push(call),
      Count(call: Writable & Asked) {
        const { to } = call.request as { to: number };
        for (let i = 1; i <= to; i += 1) call.write({ i, padding: "x".repeat(10_000) });
        call.end();
      },
      Sum(call: Readable, answer: (...of: unknown[]) => void) {
        let sum = 0;
        call.on("data", ({ add }: { add: number }) => (sum += add));
        call.on("end", () => answer(null, { sum }));
      },
      Chat(call: Duplex) {
        call.on("data", ({ say }: { say: string }) => call.write({ heard: say }));
        call.on("end", () => call.end());
      },
    });
    server.addService(health, {
      Check(_: Asked, answer: (...of: unknown[]) => void) {
        if (healthStatus === 0) answer(null, { status: 1 });
        else answer({ code: healthStatus, details: "not now" });
      },
    });
    return new Promise((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
  }

  async function open(target: number): Promise<{ port: number; ca: string }> {
    const { CertificateArn } = await acm.send(
      new RequestCertificateCommand({ DomainName: "shop.example.com", KeyAlgorithm: "EC_prime256v1" }),
    );
    const { CertificateChain } = await acm.send(new GetCertificateCommand({ CertificateArn }));
    const { elb } = clients;
    const group = await elb.send(
      new CreateTargetGroupCommand({
        Name: "greeter",
        Protocol: "HTTP",
        ProtocolVersion: "GRPC",
        Port: target,
        VpcId: "vpc-1",
        TargetType: "ip",
        HealthCheckPath: "/grpc.health.v1.Health/Check",
        HealthCheckIntervalSeconds: 5,
        HealthCheckTimeoutSeconds: 2,
        UnhealthyThresholdCount: 2,
        Matcher: { GrpcCode: "0" },
      }),
    );
    groupArn = must(group.TargetGroups?.[0]?.TargetGroupArn, "the target group");
    const Targets = [{ Id: "127.0.0.1", Port: target }];
    await elb.send(new RegisterTargetsCommand({ TargetGroupArn: groupArn, Targets }));
    const balancer = await elb.send(new CreateLoadBalancerCommand({ Name: "shop", Subnets: ["a", "b"] }));
    const port = await freePort();
    await elb.send(
      new CreateListenerCommand({
        LoadBalancerArn: balancer.LoadBalancers?.[0]?.LoadBalancerArn,
        Protocol: "HTTPS",
        Port: port,
        Certificates: [{ CertificateArn }],
        DefaultActions: [{ Type: "forward", TargetGroupArn: groupArn }],
      }),
    );
    return { port, ca: must(CertificateChain, "the authority") };
  }

  beforeAll(async () => {
    // The one place where its shape is taken on trust.
    grpc = createRequire(home)("@grpc/grpc-js") as Grpc;
    mikan = await startMikan();
    clients = clientsOf(mikan.url);
    const credentials = { accessKeyId: "test", secretAccessKey: "test" };
    acm = new ACMClient({ endpoint: mikan.url, region: "us-east-1", credentials });
    const { port, ca } = await open(await serve());
    const Greeter = grpc.makeGenericClientConstructor(greeter, "Greeter");
    client = new Greeter(`127.0.0.1:${port}`, grpc.credentials.createSsl(Buffer.from(ca)), {
      "grpc.ssl_target_name_override": "shop.example.com",
      "grpc.default_authority": "shop.example.com",
    });
  }, 120_000);

  afterAll(async () => {
    client.close();
    server.forceShutdown();
    acm.destroy();
    clients.destroy();
    await mikan[Symbol.asyncDispose]();
  });

  const metadataOf = (fields: Record<string, string> = {}) => {
    const metadata = new grpc.Metadata();
    for (const [name, value] of Object.entries(fields)) metadata.set(name, value);
    return metadata;
  };

  /** One answer, or the failure; and the status with the trailers. */
  function unary(call: (answer: Answer) => Call) {
    return new Promise<{ value: unknown; failure: Failure | null; trailer: string | undefined }>((resolve) => {
      let told: { failure: Failure | null; value: unknown } | undefined;
      let status: Status | undefined;
      const both = () => {
        if (told !== undefined && status !== undefined)
          resolve({ ...told, trailer: status.metadata.get("x-trailer")[0] });
      };
      const made = call((failure, value) => {
        told = { failure, value };
        both();
      });
      made.on("status", (last) => {
        status = last;
        both();
      });
    });
  }

  it("unary, with metadata both ways", async () => {
    const answer = await unary((done) => client.Greet({ name: "kiyo" }, metadataOf({ "x-tenant": "maps" }), done));
    expect(answer).toEqual({ value: { text: "hello kiyo", tenant: "maps" }, failure: null, trailer: "after all" });
  });

  it("an error status, with its words and its trailers", async () => {
    const { failure, trailer } = await unary((done) => client.Greet({ name: "nobody" }, metadataOf(), done));
    expect(failure).toMatchObject({ code: notFound, details: "nobody is “there”" });
    expect(trailer).toBe("after all");
  });

  it("server streaming", async () => {
    const seen: number[] = [];
    for await (const message of client.Count({ to: 300 })) seen.push((message as { i: number }).i);
    expect(seen).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
  });

  it("client streaming", async () => {
    const { value, failure } = await unary((done) => {
      const call = client.Sum(done);
      for (let add = 1; add <= 100; add += 1) call.write({ add, padding: "x".repeat(10_000) });
      call.end();
      return call;
    });
    expect(failure).toBeNull();
    expect(value).toEqual({ sum: 5_050 });
  });

  it("both ways at once: each answer comes before the next question", async () => {
    const call = client.Chat();
    for (const say of ["one", "two", "three"]) {
      call.write({ say });
      const [message] = await once(call, "data");
      expect(message).toEqual({ heard: say });
    }
    call.end();
    call.resume();
    const [status] = (await once(call, "status")) as [Status];
    expect(status.code).toBe(0);
  });

  it("a deadline ends the call at the client, and the server is told", async () => {
    const { failure } = await unary((done) => client.Hang({}, metadataOf(), { deadline: Date.now() + 1_000 }, done));
    expect(failure?.code).toBe(deadlineExceeded);
    await expect.poll(() => hanging.map(({ cancelled }) => cancelled), { timeout: 20_000 }).toEqual([true]);
  });

  it("a target is healthy by the code of its health check, and not by another", { timeout: 120_000 }, async () => {
    const stateOf = async () => {
      const { TargetHealthDescriptions } = await clients.elb.send(
        new DescribeTargetHealthCommand({ TargetGroupArn: groupArn }),
      );
      return TargetHealthDescriptions?.[0]?.TargetHealth?.State;
    };
    await expect.poll(stateOf, { timeout: 60_000 }).toBe("healthy");
    healthStatus = unavailable;
    await expect.poll(stateOf, { timeout: 60_000 }).toBe("unhealthy");
    // With no other target the load balancer fails open.
    const { failure } = await unary((done) => client.Greet({ name: "kiyo" }, metadataOf(), done));
    expect(failure).toBeNull();
  });
});
