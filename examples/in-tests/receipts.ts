/** What is tested here: code of an application, which knows AWS and nothing of Mikan. */
import { InvokeCommand, type LambdaClient } from "@aws-sdk/client-lambda";
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";

export interface Order {
  id: string;
  items: { name: string; price: number; count: number }[];
}

export interface ReceiptsDeps {
  s3: S3Client;
  lambda: LambdaClient;
  bucket: string;
  functionName: string;
}

export class OrderRefused extends Error {
  override readonly name = "OrderRefused";
}

export function createReceipts({ s3, lambda, bucket, functionName }: ReceiptsDeps) {
  return {
    /** Has the receipt made, and keeps it. */
    async write(order: Order): Promise<void> {
      const invoke = new InvokeCommand({ FunctionName: functionName, Payload: Buffer.from(JSON.stringify(order)) });
      const { FunctionError, Payload = new Uint8Array(0) } = await lambda.send(invoke);
      const answer: unknown = JSON.parse(Buffer.from(Payload).toString());
      if (FunctionError !== undefined) throw new OrderRefused((answer as { errorMessage: string }).errorMessage);
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key: `${order.id}.txt`, Body: String(answer) }));
    },

    async read(id: string): Promise<string> {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: `${id}.txt` }));
      return (await Body?.transformToString()) ?? "";
    },

    /** Ids of the orders, in the order of their names. */
    async list(): Promise<string[]> {
      const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket }));
      return Contents.map(({ Key = "" }) => Key.replace(/\.txt$/, ""));
    },
  };
}
