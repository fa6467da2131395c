/** Replays: events of an archive, put on its bus once more. Source: EventBridge user guide, "Replaying archived events". */
import { formatArn } from "../../base/arn.ts";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { beginsWith, sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import { archiveArn, archiveOfArn, findArchive } from "./archives.ts";
import type { EventsDeps } from "./deps.ts";
import { badToken, fault, invalid, noBus, tooMany } from "./faults.ts";
import { activeReplaysMax, listMax } from "./limits.ts";
import { busArn, busOfArn, ruleOfArn } from "./names.ts";
import { isIn, isNamed, replays, type ArchiveRow, type Named, type ReplayRow } from "./tables.ts";

const replayArn = ({ account, region, name }: Named) =>
  formatArn({ service: "events", region, account, resource: `replay/${name}` });

type State = "STARTING" | "RUNNING" | "CANCELLING" | "COMPLETED" | "CANCELLED" | "FAILED";
// Only these are ever written.
const stateOf = ({ state }: ReplayRow) => state as State;

const findReplay = (tx: ReadTx, ref: Named) =>
  tx.one<ReplayRow>(sql`select ${replays.columns} from ${replays.name} where ${isNamed(ref)}`);

async function openReplay(tx: ReadTx, name: string, { account, region }: Call): Promise<ReplayRow> {
  const row = await findReplay(tx, { account, region, name });
  if (row === undefined) throw fault("ResourceNotFoundException", `Replay ${name} does not exist.`);
  return row;
}

/** Throws AWS's words for a destination that the archive's events do not come from. */
function checkDestination(archive: ArchiveRow, destination: string, filters: readonly string[]): void {
  const bus = busOfArn(destination);
  if (bus === undefined) {
    throw invalid("Parameter Destination.Arn is not valid. Reason: Must contain an event bus ARN.");
  }
  if (busArn(bus) !== busArn(archive)) {
    if (bus.account === archive.account && bus.region === archive.region && bus.bus === "") throw noBus(bus.bus);
    throw invalid("Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted.");
  }
  const stranger = filters.find((arn) => {
    const rule = ruleOfArn(arn);
    return rule === undefined || busArn(rule) !== busArn(bus);
  });
  if (stranger === undefined) return;
  throw invalid(`Parameter Destination.FilterArns is not valid. Reason: ${stranger} is no rule of the event bus.`);
}

const dateOf = (name: string, ms: number | null) => (ms === null ? {} : { [name]: new Date(ms) });

const listed = (row: ReplayRow) => ({
  ReplayName: row.name,
  EventSourceArn: archiveArn({ ...row, name: row.archive }),
  State: stateOf(row),
  ...(row.reason === null ? {} : { StateReason: row.reason }),
  EventStartTime: new Date(row.from_ms),
  EventEndTime: new Date(row.to_ms),
  ReplayStartTime: new Date(row.started_ms),
  ...dateOf("EventLastReplayedTime", row.last_ms),
  ...dateOf("ReplayEndTime", row.ended_ms),
});

export function replayOperations({ store, clock }: EventsDeps) {
  return {
    async StartReplay(input, call) {
      const { ReplayName: name, EventSourceArn, Destination, EventStartTime, EventEndTime } = input;
      const filters = Destination.FilterArns ?? [];
      const now = clock.now();
      const { account, region } = call;
      const row = await store.tx(async (tx) => {
        if ((await findReplay(tx, { account, region, name })) !== undefined) {
          throw fault("ResourceAlreadyExistsException", `Replay ${name} already exists.`);
        }
        const ref = archiveOfArn(EventSourceArn);
        const isOwn = ref?.account === account && ref.region === region;
        const archive = ref === undefined || !isOwn ? undefined : await findArchive(tx, ref);
        if (archive === undefined) {
          const missing = ref?.name ?? EventSourceArn;
          throw invalid(`Parameter EventSourceArn is not valid. Reason: Archive ${missing} does not exist.`);
        }
        if (EventStartTime >= EventEndTime) {
          throw invalid("Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime.");
        }
        checkDestination(archive, Destination.Arn, filters);
        const active = await tx.one<{ active: number }>(sql`select count(*) as active from ${replays.name}
          where ${isIn(call)} and due_ms is not null`);
        if ((active?.active ?? 0) >= activeReplaysMax) throw tooMany();
        const row: ReplayRow = {
          account,
          region,
          name,
          archive: archive.name,
          archive_uid: archive.uid,
          bus: archive.bus,
          filter_arns: filters,
          description: input.Description ?? null,
          state: "STARTING",
          reason: null,
          from_ms: EventStartTime.getTime(),
          to_ms: EventEndTime.getTime(),
          last_ms: null,
          last_id: null,
          started_ms: now,
          ended_ms: null,
          due_ms: now,
          claims: 0,
        };
        await tx.run(insert(replays, row));
        return row;
      });
      return { ReplayArn: replayArn(row), State: stateOf(row), ReplayStartTime: new Date(row.started_ms) };
    },

    async DescribeReplay({ ReplayName }, call) {
      const row = await store.read((tx) => openReplay(tx, ReplayName, call));
      return {
        ...listed(row),
        ReplayArn: replayArn(row),
        ...(row.description === null ? {} : { Description: row.description }),
        Destination: { Arn: busArn(row), FilterArns: [...row.filter_arns] },
      };
    },

    async ListReplays({ NamePrefix, State, EventSourceArn, NextToken, Limit = listMax }, call) {
      const filters = [NamePrefix, EventSourceArn, State];
      if (filters.filter((filter) => filter !== undefined).length > 1) {
        throw invalid(
          "At most one filter is allowed for ListReplays. Use either : State, EventSourceArn, or NamePrefix.",
        );
      }
      const listing = { operation: "events:ListReplays", filters, call };
      const [after = ""] = pageKey(listing, NextToken, badToken) ?? [];
      const archive = EventSourceArn === undefined ? undefined : (archiveOfArn(EventSourceArn)?.name ?? "");
      const rows = await store.read((tx) =>
        tx.all<ReplayRow>(sql`select ${replays.columns} from ${replays.name}
          where ${isIn(call)} and ${beginsWith("name", NamePrefix ?? "")} and name > ${after}
            ${State === undefined ? sql`` : sql`and state = ${State}`}
            ${archive === undefined ? sql`` : sql`and archive = ${archive}`}
          order by name limit ${Limit + 1}`),
      );
      const { page, nextToken } = pageOf(listing, rows, Limit, ({ name }) => [name]);
      return { Replays: page.map(listed), ...(nextToken === undefined ? {} : { NextToken: nextToken }) };
    },

    async CancelReplay({ ReplayName }, call) {
      const now = clock.now();
      const row = await store.tx(async (tx) => {
        const found = await openReplay(tx, ReplayName, call);
        if (found.state !== "STARTING" && found.state !== "RUNNING") {
          throw fault("IllegalStatusException", `Replay ${ReplayName} is not in a valid state for this operation.`);
        }
        const change = { state: "CANCELLING", due_ms: now };
        await tx.run(sql`update ${replays.name} set ${assign(replays, change)} where ${isNamed(found)}`);
        return { ...found, ...change };
      });
      return { ReplayArn: replayArn(row), State: stateOf(row) };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-eventbridge")>;
}
