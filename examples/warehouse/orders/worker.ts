/** Feeds orders to the warehouse at the pace of its database. What it cannot take goes back to the queue, and nothing else. */

/** The part of a queue's event that counts here. */
interface Event {
  Records: readonly { messageId: string; body: string }[];
}

const warehouse = process.env["WAREHOUSE_URL"];

async function reserve(order: string): Promise<void> {
  const response = await fetch(`${warehouse}/outbound/orders`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: order,
  });
  const said = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${said}`);
}

export async function handler({ Records }: Event) {
  const batchItemFailures = [];
  for (const { messageId, body } of Records) {
    try {
      await reserve(body);
    } catch (error) {
      console.error("an order was not taken", body, error);
      batchItemFailures.push({ itemIdentifier: messageId });
    }
  }
  return { batchItemFailures };
}
