import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { JsonObject } from "../../kit/resource.ts";
import { imageLookUpMs } from "./limits.ts";
import {
  FakeCompute,
  arn,
  createFunction,
  faultOf,
  role,
  startTestNode,
  withNode,
  type TestNode,
} from "./node.suite.ts";

const uri = "local/tiles:1";
const digest = "d".repeat(64);
const found = { id: `sha256:${"1".repeat(64)}`, digest: `sha256:${digest}` };

function computeWith(...uris: string[]): FakeCompute {
  const compute = new FakeCompute();
  for (const name of uris) compute.images.set(name, found);
  return compute;
}

const create = (
  { lambda, call }: TestNode,
  changes: Partial<Parameters<TestNode["lambda"]["CreateFunction"]>[0]> = {},
) =>
  lambda.CreateFunction(
    { FunctionName: "tiles", Role: role, PackageType: "Image", Code: { ImageUri: uri }, ...changes },
    call(),
  );

/** A look-up that ends when the test says so. */
function slowCompute() {
  const compute = computeWith();
  let end: (outcome: typeof found | Error) => void = () => {};
  const asked = { count: 0 };
  compute.findImage = () => {
    asked.count += 1;
    return new Promise((resolve, reject) => {
      end = (outcome) => (outcome instanceof Error ? reject(outcome) : resolve(outcome));
    });
  };
  return { compute, asked, end: (outcome: typeof found | Error) => end(outcome) };
}

const engineError = (status: number, message: string) =>
  Object.assign(new Error(message), { name: "EngineError", status });

it("is created, shown and invoked by its digest", () =>
  withNode(
    async (node) => {
      const ImageConfig = { EntryPoint: ["/app"], Command: ["a", "b"], WorkingDirectory: "/srv" };
      const made = await create(node, { ImageConfig });
      expect(made).toMatchObject({
        PackageType: "Image",
        State: "Active",
        CodeSha256: digest,
        CodeSize: 0,
        ImageConfigResponse: { ImageConfig },
      });
      expect([made.Runtime, made.Handler]).toEqual([undefined, undefined]);
      const { Code } = await node.lambda.GetFunction({ FunctionName: "tiles" }, node.call());
      expect(Code).toEqual({
        RepositoryType: "ECR",
        ImageUri: uri,
        ResolvedImageUri: `local/tiles@sha256:${digest}`,
      });
      await node.lambda.Invoke({ FunctionName: "tiles", Payload: Buffer.from("{}") }, node.call());
      expect(node.compute.invoked[0]?.spec).toMatchObject({
        codeDir: "",
        image: {
          reference: found.id,
          elsewhere: `local/tiles@sha256:${digest}`,
          entryPoint: ["/app"],
          command: ["a", "b"],
          workingDirectory: "/srv",
        },
      });
      const { Version } = await node.lambda.PublishVersion({ FunctionName: "tiles" }, node.call());
      expect(Version).toBe("1");
      await node.lambda.DeleteFunction({ FunctionName: "tiles" }, node.call());
    },
    { compute: computeWith(uri) },
  ));

it("is changed: its image, its settings, and not its type", () =>
  withNode(
    async (node) => {
      const { lambda, call, compute } = node;
      await create(node, { ImageConfig: { Command: ["a"] } });
      compute.images.set("local/tiles:2", { ...found, digest: `sha256:${"e".repeat(64)}` });
      const updated = await lambda.UpdateFunctionCode({ FunctionName: "tiles", ImageUri: "local/tiles:2" }, call());
      expect(updated).toMatchObject({
        CodeSha256: "e".repeat(64),
        ImageConfigResponse: { ImageConfig: { Command: ["a"] } },
      });
      const plain = await lambda.UpdateFunctionConfiguration(
        { FunctionName: "tiles", ImageConfig: {}, Timeout: 9 },
        call(),
      );
      expect([plain.ImageConfigResponse, plain.Timeout, plain.PackageType]).toEqual([undefined, 9, "Image"]);
      expect(
        await faultOf(lambda.UpdateFunctionConfiguration({ FunctionName: "tiles", Handler: "a.b" }, call())),
      ).toEqual({
        code: "InvalidParameterValueException",
        message: "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image.",
      });
      const zip = { FunctionName: "tiles", ZipFile: Buffer.from("zip") };
      expect(await faultOf(lambda.UpdateFunctionCode(zip, call()))).toMatchObject({
        message: expect.stringContaining("ImageUri"),
      });
      await createFunction(node, "plain");
      const image = { FunctionName: "plain", ImageUri: uri };
      expect(await faultOf(lambda.UpdateFunctionCode(image, call()))).toMatchObject({
        message: expect.stringContaining("Zip"),
      });
    },
    { compute: computeWith(uri) },
  ));

it.each([
  ["an image that is not there", { Code: { ImageUri: "local/none:1" } }, "Source image local/none:1 does not exist."],
  ["a runtime", { Runtime: "nodejs24.x" as const }, "Please don't provide Handler or Runtime or Layer"],
  ["no image", { Code: { S3Bucket: "b", S3Key: "k" } }, "Please provide ImageUri, and nothing else"],
  [
    "an image and no PackageType",
    { PackageType: undefined, Runtime: "nodejs24.x" as const, Handler: "a.b" },
    "Please don't provide ImageUri",
  ],
])("refuses %s", (_, changes, message) =>
  withNode(
    async (node) => {
      const refused = await faultOf(create(node, changes));
      expect(refused).toEqual({ code: "InvalidParameterValueException", message: expect.stringContaining(message) });
    },
    { compute: computeWith(uri) },
  ),
);

const stateOf = async ({ lambda, call }: TestNode) => {
  const { State, StateReasonCode, CodeSha256 } = await lambda.GetFunctionConfiguration(
    { FunctionName: "tiles" },
    call(),
  );
  return { State, StateReasonCode, CodeSha256 };
};

/** Creates a function whose image is being fetched. */
async function createSlowly(node: TestNode) {
  const creating = create(node);
  // The look-up has begun, and with it the patience.
  await new Promise(setImmediate);
  await node.clock.advance(imageLookUpMs);
  return creating;
}

it("is Pending while its image is fetched, then Active", async () => {
  const { compute, end } = slowCompute();
  await withNode(
    async (node) => {
      expect(await createSlowly(node)).toMatchObject({ State: "Pending", StateReasonCode: "Creating" });
      const pending = {
        code: "ResourceConflictException",
        message:
          "The operation cannot be performed at this time. The function is currently in the following state: Pending",
      };
      expect(await faultOf(node.lambda.Invoke({ FunctionName: "tiles" }, node.call()))).toEqual(pending);
      expect(await faultOf(node.lambda.PublishVersion({ FunctionName: "tiles" }, node.call()))).toEqual(pending);
      end(found);
      await expect
        .poll(() => stateOf(node))
        .toEqual({ State: "Active", StateReasonCode: undefined, CodeSha256: digest });
      await node.lambda.Invoke({ FunctionName: "tiles", Payload: Buffer.from("{}") }, node.call());
    },
    { compute },
  );
});

it.each([
  [engineError(404, "manifest unknown"), "InvalidImage"],
  [engineError(500, "pull access denied"), "ImageAccessDenied"],
  [engineError(0, "the engine does not answer"), "InternalError"],
])("fails with what kept its image away: %s", async (error, StateReasonCode) => {
  const { compute, end } = slowCompute();
  await withNode(
    async (node) => {
      await createSlowly(node);
      end(error);
      await expect.poll(() => stateOf(node)).toMatchObject({ State: "Failed", StateReasonCode });
    },
    { compute },
  );
});

it("is looked up again by the next node", async () => {
  const directory = await mkdtemp(join(tmpdir(), "mikan-lambda-images-"));
  try {
    const slow = slowCompute();
    const first = await startTestNode({ directory, compute: slow.compute });
    await createSlowly(first);
    await first.stop();
    slow.end(engineError(0, "the node ends"));
    const node = await startTestNode({ directory, compute: computeWith(uri) });
    await expect.poll(() => stateOf(node)).toMatchObject({ State: "Active", CodeSha256: digest });
    await node.stop();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

it("is a part of a stack, which waits for it", async () => {
  const { compute, end, asked } = slowCompute();
  await withNode(
    async (node) => {
      const resource = node.resource("AWS::Lambda::Function");
      const properties: JsonObject = {
        PackageType: "Image",
        Code: { ImageUri: uri },
        ImageConfig: { Command: ["x"] },
        Role: role,
      };
      const stack = { stackId: "s", stackName: "map", logicalId: "Tiles", metadata: {}, tags: {} };
      const creating = resource.create({ ...stack, properties, physicalName: "tiles", token: "t" }, node.call());
      await expect.poll(() => asked.count).toBe(1);
      await node.clock.advance(10 * imageLookUpMs);
      end(found);
      expect(await creating).toMatchObject({ physicalId: "tiles", attributes: { Arn: arn("tiles") } });
      expect(await stateOf(node)).toMatchObject({ State: "Active" });
    },
    { compute },
  );
});
