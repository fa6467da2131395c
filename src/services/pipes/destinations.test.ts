/** API destinations in pipes: a real endpoint that enriches events, and one that takes them. */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { CreateApiDestinationCommand, CreateConnectionCommand, EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { CreatePipeCommand, PipesClient } from "@aws-sdk/client-pipes";
import { CreateQueueCommand, GetQueueAttributesCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { expect, it } from "vitest";
import { startMikan } from "../../mikan.ts";

interface Visit {
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
}

it(
  "an endpoint enriches events, another takes them, and what it refuses comes again",
  { timeout: 60_000 },
  async () => {
    const taken: Visit[] = [];
    let refusals = 1;
    const server = createServer((request, response) => {
      void text(request).then((body) => {
        const { url = "", headers } = request;
        if (url.startsWith("/prices/")) {
          response.end(JSON.stringify({ sku: url.slice("/prices/".length), price: 3 }));
          return;
        }
        if (body.includes("pear") && refusals-- > 0) {
          response.writeHead(503).end("not now");
          return;
        }
        taken.push({ url, headers, body });
        response.end();
      });
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await using mikan = await startMikan();
    const configuration = mikan.clientConfig();
    const bridge = new EventBridgeClient(configuration);
    const sqs = new SQSClient(configuration);

    const { ConnectionArn } = await bridge.send(
      new CreateConnectionCommand({
        Name: "shop",
        AuthorizationType: "API_KEY",
        AuthParameters: { ApiKeyAuthParameters: { ApiKeyName: "x-key", ApiKeyValue: "secret" } },
      }),
    );
    const destination = async (Name: string, path: string, HttpMethod: "GET" | "POST") =>
      (
        await bridge.send(
          new CreateApiDestinationCommand({ Name, ConnectionArn, InvocationEndpoint: origin + path, HttpMethod }),
        )
      ).ApiDestinationArn;
    const { QueueUrl = "" } = await sqs.send(
      new CreateQueueCommand({ QueueName: "orders", Attributes: { VisibilityTimeout: "1" } }),
    );
    await new PipesClient(configuration).send(
      new CreatePipeCommand({
        Name: "priced",
        RoleArn: "arn:aws:iam::000000000000:role/pipe",
        Source: "arn:aws:sqs:us-east-1:000000000000:orders",
        Enrichment: await destination("prices", "/prices/*", "GET"),
        EnrichmentParameters: { HttpParameters: { PathParameterValues: ["$.body.sku"] } },
        Target: await destination("shop", "/orders", "POST"),
        TargetParameters: {
          InputTemplate: '{"sku": <$.sku>, "for": <$.price>}',
          HttpParameters: { QueryStringParameters: { sku: "$.sku" }, HeaderParameters: { "x-from": "pipe" } },
        },
      }),
    );
    for (const sku of ["apple", "pear"]) {
      await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: JSON.stringify({ sku }) }));
    }
    await expect.poll(() => taken.length, { timeout: 30_000 }).toBe(2);
    const sorted = taken.toSorted((left, right) => (left.url < right.url ? -1 : 1));
    expect(sorted.map(({ url, body }) => [url, JSON.parse(body)])).toEqual([
      ["/orders?sku=apple", { sku: "apple", for: 3 }],
      ["/orders?sku=pear", { sku: "pear", for: 3 }],
    ]);
    expect(sorted.map(({ headers }) => [headers["x-key"], headers["x-from"]])).toEqual([
      ["secret", "pipe"],
      ["secret", "pipe"],
    ]);
    const left = async () => {
      const names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"] as const;
      const input = { QueueUrl, AttributeNames: [...names] };
      const { Attributes = {} } = await sqs.send(new GetQueueAttributesCommand(input));
      return names.reduce((sum, name) => sum + Number(Attributes[name]), 0);
    };
    await expect.poll(left, { timeout: 10_000 }).toBe(0);
    server.close();
    server.closeAllConnections();
  },
);
