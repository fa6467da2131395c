/** DescribeStackEvents: what happened to a stack, newest first. */
import type { Handlers, OutputOf } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import { invalid } from "./faults.ts";
import { stackArn } from "./journal.ts";
import { pageSize } from "./limits.ts";
import { findStack } from "./lookup.ts";
import { ofStack, stackEvents, type EventRow, type StackRow } from "./tables.ts";

type Client = typeof import("@aws-sdk/client-cloudformation");
type Event = NonNullable<OutputOf<Client, "DescribeStackEvents">["StackEvents"]>[number];

export function eventOperations({ store }: Deps) {
  return {
    DescribeStackEvents({ StackName: name, NextToken: token }, call) {
      return store.read(async (tx) => {
        const stack = await findStack(tx, name, call);
        // This operation words it differently from the others, as AWS does.
        if (stack === undefined) throw invalid(`Stack [${name}] does not exist`);
        const listing = { operation: "DescribeStackEvents", filters: stack.stack, call };
        const [before] = pageKey(listing, token, () => invalid("Invalid NextToken")) ?? [];
        const older = typeof before === "number" ? sql`number < ${before}` : sql`1 = 1`;
        const rows = await tx.all<EventRow>(sql`select ${stackEvents.columns} from ${stackEvents.name}
          where ${ofStack(stack)} and ${older} order by number desc limit ${pageSize + 1}`);
        const { page, nextToken } = pageOf(listing, rows, pageSize, (row) => [row.number]);
        return { StackEvents: page.map((row) => shown(row, stack)), NextToken: nextToken };
      });
    },
  } satisfies Handlers<Client>;
}

function shown(row: EventRow, stack: StackRow): Event {
  return {
    StackId: stackArn(stack),
    EventId: row.event_id,
    StackName: stack.name,
    LogicalResourceId: row.logical_id,
    PhysicalResourceId: row.physical_id,
    ResourceType: row.type,
    Timestamp: new Date(row.at_ms),
    // REVIEW_IN_PROGRESS is told by AWS, and not named in the client's type.
    ResourceStatus: row.status as Event["ResourceStatus"],
    ...(row.reason === null ? {} : { ResourceStatusReason: row.reason }),
    ...(row.properties === null ? {} : { ResourceProperties: row.properties }),
    ...(row.client_request_token === null ? {} : { ClientRequestToken: row.client_request_token }),
  };
}
