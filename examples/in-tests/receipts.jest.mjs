// With Jest: the same, on its globals. It asks for a flag where tests are ES modules, and for their names where they end
// otherwise than it expects:
//     NODE_OPTIONS=--experimental-vm-modules npx jest --testMatch '**/*.jest.mjs'
import { ListBucketsCommand, S3Client } from "@aws-sdk/client-s3";
import { startMikan } from "mikan-cloud";

let mikan;
let outputs;

beforeAll(async () => {
  mikan = await startMikan();
});
afterAll(() => mikan.close());

beforeEach(async () => {
  await mikan.reset();
  ({ outputs } = await mikan.deploy({ template: new URL("app.yaml", import.meta.url), stack: "receipts" }));
});

test("each test finds its own bucket, and no other", async () => {
  const { Buckets } = await new S3Client(mikan.clientConfig()).send(new ListBucketsCommand({}));
  expect(Buckets.map(({ Name }) => Name)).toContain(outputs.Bucket);
});
