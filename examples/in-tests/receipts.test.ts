/** With Vitest: a node for this file, in the same process; emptied and deployed anew for each test. */
import { LambdaClient } from "@aws-sdk/client-lambda";
import { S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
// In a project of your own: from "mikan-cloud".
import { startMikan, type Mikan } from "../../src/mikan.ts";
import { createReceipts, OrderRefused } from "./receipts.ts";

const tea = { name: "tea", price: 300, count: 2 };
const template = new URL("app.yaml", import.meta.url);

describe("receipts", () => {
  let mikan: Mikan;
  let receipts: ReturnType<typeof createReceipts>;

  beforeAll(async () => {
    mikan = await startMikan();
  });
  afterAll(() => mikan.close());

  beforeEach(async () => {
    await mikan.reset();
    const { outputs } = await mikan.deploy({ template, stack: "receipts" });
    receipts = createReceipts({
      s3: new S3Client(mikan.clientConfig()),
      lambda: new LambdaClient(mikan.clientConfig()),
      bucket: outputs["Bucket"] ?? "",
      functionName: outputs["Function"] ?? "",
    });
  });

  it("are kept as the function makes them", async () => {
    await receipts.write({ id: "a1", items: [tea] });
    expect(await receipts.read("a1")).toBe("Order a1\n2 x tea\nTotal 600");
  });

  it("are not made of nothing", async () => {
    await expect(receipts.write({ id: "a1", items: [] })).rejects.toThrow(new OrderRefused("order a1 is empty"));
    expect(await receipts.list()).toEqual([]);
  });
});

it("may also have a node for one test alone", async () => {
  await using mikan = await startMikan();
  const { outputs } = await mikan.deploy({ template, stack: "receipts" });
  expect(outputs["Bucket"]).toContain("receipts");
});
