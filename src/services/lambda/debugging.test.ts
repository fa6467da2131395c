/** Sessions with a debugger: what invocations run in, whoever keeps asking, and what is left. */
import { createServer, type AddressInfo } from "node:net";
import { once } from "node:events";
import { expect, it } from "vitest";
import { must } from "../../base/errors.ts";
import { arn, createFunction, faultOf, withNode, zipOf, type TestNode } from "./node.suite.ts";

/** A port that nobody has. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

const ask = async ({ service, call }: TestNode, operation: string, input: object): Promise<unknown> =>
  must(service.internal?.[operation], operation)(input as never, call());
const hold = (node: TestNode, port: number, name = "map") =>
  ask(node, "HoldDebugger", { FunctionName: arn(name), port, wait: false });

/** What the last invocation ran in. */
async function specOfInvocation({ lambda, compute, call }: TestNode) {
  await lambda.Invoke({ FunctionName: "map" }, call());
  return must(compute.invoked.at(-1), "an invocation").spec;
}

it("takes all invocations, without their timeout, and follows new code", () =>
  withNode(async (node) => {
    await createFunction(node, "map", { Timeout: 3 });
    const port = await freePort();
    expect(await hold(node, port)).toEqual({ arn: arn("map:$LATEST"), ready: true });
    const first = await specOfInvocation(node);
    expect(first).toMatchObject({ debug: { port, wait: false }, timeoutMs: 12 * 3600_000 });
    expect(node.compute.provisionedCounts.get(first.id)).toBe(1);

    await node.lambda.UpdateFunctionCode(
      { FunctionName: "map", ZipFile: await zipOf({ "index.js": "2" }) },
      node.call(),
    );
    const second = await specOfInvocation(node);
    expect(second).toMatchObject({ debug: { port } });
    expect(second.codeDir).not.toBe(first.codeDir);
    // The former one has ended, and its port is free, before the next begins.
    expect(node.compute.retired).toContain(first.id);

    expect(await ask(node, "ReleaseDebugger", { FunctionName: arn("map") })).toEqual({ released: true });
    expect(node.compute.retired).toContain(second.id);
    expect(await specOfInvocation(node)).toMatchObject({ timeoutMs: 3_000 });
    expect(await ask(node, "ReleaseDebugger", { FunctionName: arn("map") })).toEqual({ released: false });
  }));

it("ends when nobody asks for it any more", () =>
  withNode(async (node) => {
    await createFunction(node, "map");
    const port = await freePort();
    await hold(node, port);
    await node.clock.advance(14_000);
    await hold(node, port);
    await node.clock.advance(14_000);
    expect((await specOfInvocation(node)).debug).toEqual({ port, wait: false });
    await node.clock.advance(1_000);
    await expect.poll(async () => (await specOfInvocation(node)).debug).toBeUndefined();
  }));

it("is refused with its reason", () =>
  withNode(async (node) => {
    await createFunction(node, "map");
    expect((await faultOf(hold(node, 4_000, "nobody"))).code).toBe("ResourceNotFoundException");
    expect(await faultOf(hold(node, 80))).toMatchObject({ message: "port must be from 1024 to 65535." });
    node.compute.debugHindrance = async () => "There is no debugger.";
    expect(await faultOf(hold(node, await freePort()))).toEqual({
      code: "InvalidParameterValueException",
      message: "There is no debugger.",
    });
    expect((await specOfInvocation(node)).debug).toBeUndefined();
  }));
