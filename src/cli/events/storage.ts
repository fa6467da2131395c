/** Objects of S3 that came and went. */
import { template, type Occasion } from "./template.ts";

interface Stored {
  bucket: string;
  key: string;
}

function record(eventName: string, { bucket, key }: Stored, object: object, { now, region, account }: Occasion) {
  return {
    Records: [
      {
        eventVersion: "2.1",
        eventSource: "aws:s3",
        awsRegion: region,
        eventTime: now.toISOString(),
        eventName,
        userIdentity: { principalId: `AWS:${account}` },
        requestParameters: { sourceIPAddress: "127.0.0.1" },
        responseElements: {
          "x-amz-request-id": "EXAMPLE123456789",
          "x-amz-id-2": "EXAMPLE123/5678abcdefghijklambdaisawesome/mnopqrstuvwxyzABCDEFGH",
        },
        s3: {
          s3SchemaVersion: "1.0",
          configurationId: "testConfigRule",
          bucket: { name: bucket, ownerIdentity: { principalId: account }, arn: `arn:aws:s3:::${bucket}` },
          object: {
            // As in a form: what a function gets has to be decoded.
            key: encodeURIComponent(key).replaceAll("%2F", "/").replaceAll("%20", "+"),
            ...object,
            sequencer: "0A1B2C3D4E5F678901",
          },
        },
      },
    ],
  };
}

const source = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html";

export const storage = [
  template({
    name: "s3-put",
    summary: "an object that was put",
    source,
    parameters: { bucket: "example-bucket", key: "test/key", size: "1024", etag: "0123456789abcdef0123456789abcdef" },
    event: ({ bucket, key, size, etag }, occasion) =>
      record("ObjectCreated:Put", { bucket, key }, { size: Number(size), eTag: etag }, occasion),
  }),
  template({
    name: "s3-delete",
    summary: "an object that was deleted",
    source,
    parameters: { bucket: "example-bucket", key: "test/key" },
    event: (stored, occasion) => record("ObjectRemoved:Delete", stored, {}, occasion),
  }),
];
