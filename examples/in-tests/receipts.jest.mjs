// With Jest: the same, on its globals. It asks for a flag where tests are ES modules, and for their names where they end
// otherwise than it expects:
//     NODE_OPTIONS=--experimental-vm-modules npx jest --testMatch '**/*.jest.mjs'
import { ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { startMikan } from "mikan-cloud";

let mikan;
let outputs;
let deployed;

// Deployed once; each test begins with the stack as it was then.
beforeAll(async () => {
  mikan = await startMikan();
  ({ outputs } = await mikan.deploy({ template: new URL("app.yaml", import.meta.url), stack: "receipts" }));
  deployed = await mikan.snapshot();
});
beforeEach(() => mikan.restore(deployed));
afterAll(() => mikan.close());

const put = (Key) =>
  new S3Client(mikan.clientConfig()).send(new PutObjectCommand({ Bucket: outputs.Bucket, Key, Body: "2 x tea" }));
const keys = async () => {
  const { Contents = [] } = await new S3Client(mikan.clientConfig()).send(
    new ListObjectsV2Command({ Bucket: outputs.Bucket }),
  );
  return Contents.map(({ Key }) => Key);
};

test.each(["a1", "b2"])("receipt %s finds no other", async (receipt) => {
  await put(receipt);
  expect(await keys()).toEqual([receipt]);
});
