/** Powertools' batch processor: one bad record of a batch from a queue comes back, and no other. */
import { BatchProcessor, EventType, processPartialResponse } from "@aws-lambda-powertools/batch";

const processor = new BatchProcessor(EventType.SQS);

async function take({ body }) {
  if (JSON.parse(body).quantity < 0) throw new Error("nobody orders less than nothing");
}

export const handler = async (event, context) => processPartialResponse(event, take, processor, { context });
