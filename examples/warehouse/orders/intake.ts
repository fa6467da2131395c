/** Takes an order: one that can be read goes into the queue, and is answered before anybody looks at the stock. */
import { randomUUID } from "node:crypto";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";

const sqs = new SQSClient({});
const QueueUrl = process.env["QUEUE_URL"];

/** The part of a load balancer's event that counts here. */
interface Event {
  body: string;
  isBase64Encoded: boolean;
}

interface Order {
  order: string;
  sku: string;
  quantity: number;
}

const answer = (statusCode: number, body: object) => ({
  statusCode,
  headers: { "content-type": "application/json", "x-served-by": "orders" },
  body: JSON.stringify(body),
});

function orderIn({ body, isBase64Encoded }: Event): Order | undefined {
  try {
    const read: unknown = JSON.parse(isBase64Encoded ? Buffer.from(body, "base64").toString() : body);
    if (typeof read !== "object" || read === null) return undefined;
    const { order = randomUUID(), sku, quantity } = read as Partial<Order>;
    const complete = typeof order === "string" && typeof sku === "string" && Number.isInteger(quantity);
    return complete && quantity !== undefined && quantity > 0 ? { order, sku, quantity } : undefined;
  } catch {
    // Not JSON, so no order.
    return undefined;
  }
}

export async function handler(event: Event) {
  const order = orderIn(event);
  if (order === undefined) return answer(400, { error: "An order has a sku and a quantity above 0." });
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: JSON.stringify(order) }));
  // Accepted is on disk: whatever happens now, the order will be looked at.
  return answer(202, { order: order.order, status: "accepted" });
}
