/** Pipes themselves: made, changed, started, stopped, shown, listed, deleted. What they do is in their pollers. */
import type { PipeState } from "@aws-sdk/client-pipes";
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { beginsWith, sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { assign, insert } from "../../store/tables.ts";
import type { PipesDeps } from "./deps.ts";
import { fault, invalid, noPipe } from "./faults.ts";
import { pageMax, pipesMax } from "./limits.ts";
import { pipeArn, type PipeRef } from "./names.ts";
import { checkSettings, type PipeInput, type Settings } from "./settings.ts";
import { findPipe, isIn, isPipe, pipes, type DesiredState, type PipeRow } from "./tables.ts";

/** States in which somebody is at work on a pipe. */
const busy: readonly PipeState[] = ["CREATING", "DELETING", "STARTING", "STOPPING", "UPDATING"];

export const refOf = (name: string, { account, region }: Call): PipeRef => ({ account, region, name });

function settingsOf(input: Omit<PipeInput, "Name">): Settings {
  const { Description, Source, SourceParameters, Enrichment, EnrichmentParameters } = input;
  const { Target, TargetParameters, RoleArn, LogConfiguration, KmsKeyIdentifier } = input;
  const settings: Settings = {
    Description,
    Source,
    SourceParameters,
    Enrichment,
    EnrichmentParameters,
    Target,
    TargetParameters,
    RoleArn,
    LogConfiguration,
    KmsKeyIdentifier,
  };
  checkSettings(settings);
  return settings;
}

/** Makes a pipe; a CloudFormation step that comes again finds what it has made. */
export function pipeCreation({ store, clock, wake }: PipesDeps) {
  return ({ Name, DesiredState = "RUNNING", Tags = {}, ...input }: PipeInput, call: Call, token: string | null) => {
    const ref = refOf(Name, call);
    const now = clock.now();
    const row: PipeRow = {
      ...ref,
      desired_state: DesiredState === "STOPPED" ? "STOPPED" : "RUNNING",
      current_state: "CREATING",
      state_reason: null,
      settings: settingsOf(input),
      tags: { ...Tags },
      created_ms: now,
      modified_ms: now,
      revision: 1,
      owner: "",
      due_ms: 0,
      token,
    };
    return store.tx(async (tx) => {
      const found = await findPipe(tx, ref);
      if (found !== undefined && token !== null && found.token === token) return found;
      if (found !== undefined) throw fault("ConflictException", `Pipe ${Name} already exists.`);
      const counted = await tx.one<{ made: number }>(
        sql`select count(*) as made from ${pipes.name} where ${isIn(ref)}`,
      );
      if ((counted?.made ?? 0) >= pipesMax) {
        throw fault("ServiceQuotaExceededException", `The limit of ${pipesMax} pipes is reached.`);
      }
      await tx.run(insert(pipes, row));
      tx.afterCommit(wake);
      return row;
    });
  };
}

type Change = Partial<Pick<PipeRow, "settings" | "tags" | "desired_state" | "current_state">>;

/** Changes a pipe that nobody is at work on; its poller begins anew. `whileBusy` for CloudFormation, which comes again. */
export function pipeChange({ store, clock, wake }: PipesDeps) {
  return (ref: PipeRef, make: (row: PipeRow) => Change, whileBusy = false): Promise<PipeRow> => {
    const now = clock.now();
    return store.tx(async (tx: Tx) => {
      const row = await findPipe(tx, ref);
      if (row === undefined) throw noPipe(ref.name);
      if (busy.includes(row.current_state) && !whileBusy) {
        throw fault("ConflictException", `Pipe ${ref.name} is in state ${row.current_state}.`);
      }
      const change = { ...make(row), modified_ms: now, revision: row.revision + 1 };
      await tx.run(sql`update ${pipes.name} set ${assign(pipes, change)} where ${isPipe(ref)}`);
      tx.afterCommit(wake);
      return { ...row, ...change };
    });
  };
}

type UpdateInput = { [K in keyof Omit<PipeInput, "Name">]?: PipeInput[K] | undefined };

/** What is left out stays. Of the parameters of a source, each part is replaced as a whole. */
export function updated({ settings, desired_state: desired }: PipeRow, input: UpdateInput): Change {
  const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
  const { DesiredState: wanted, Tags: _, ...rest }: Partial<Omit<PipeInput, "Name">> = given;
  const SourceParameters = { ...settings.SourceParameters, ...rest.SourceParameters };
  const state: DesiredState = wanted === "STOPPED" || wanted === "RUNNING" ? wanted : desired;
  return {
    settings: settingsOf({ ...settings, ...rest, SourceParameters }),
    desired_state: state,
    current_state: "UPDATING",
  };
}

export const deletion = (): Change => ({ desired_state: "DELETED", current_state: "DELETING" });

const heading = (row: PipeRow) => ({
  Arn: pipeArn(row),
  Name: row.name,
  CurrentState: row.current_state,
  CreationTime: new Date(row.created_ms),
  LastModifiedTime: new Date(row.modified_ms),
});

const wantedOf = ({ desired_state: state }: PipeRow) => (state === "DELETED" ? "STOPPED" : state);

/** As most operations answer. */
const answer = (row: PipeRow) => ({ ...heading(row), DesiredState: wantedOf(row) });

/** As DescribePipe answers. */
export const shown = (row: PipeRow) => ({
  ...row.settings,
  ...heading(row),
  DesiredState: row.desired_state,
  StateReason: row.state_reason ?? undefined,
  Tags: row.tags,
});

export function pipeOperations(deps: PipesDeps) {
  const { store } = deps;
  const create = pipeCreation(deps);
  const change = pipeChange(deps);
  const turn = (name: string, call: Call, to: "RUNNING" | "STOPPED", through: PipeState) =>
    change(refOf(name, call), ({ current_state: state }) => {
      if (state === to) throw fault("ConflictException", `Pipe ${name} is in state ${state}.`);
      return { desired_state: to, current_state: through };
    });

  return {
    CreatePipe: async (input, call) => answer(await create(input, call, null)),

    UpdatePipe: async ({ Name, ...input }, call) =>
      answer(await change(refOf(Name, call), (row) => updated(row, input))),

    async DeletePipe({ Name }, call) {
      const row = await change(refOf(Name, call), deletion);
      return { ...heading(row), DesiredState: row.desired_state };
    },

    StartPipe: async ({ Name }, call) => answer(await turn(Name, call, "RUNNING", "STARTING")),

    StopPipe: async ({ Name }, call) => answer(await turn(Name, call, "STOPPED", "STOPPING")),

    async DescribePipe({ Name }, call) {
      const row = await store.read((tx) => findPipe(tx, refOf(Name, call)));
      if (row === undefined) throw noPipe(Name);
      return shown(row);
    },

    async ListPipes(input, call) {
      const { NamePrefix = "", DesiredState, CurrentState, SourcePrefix = "", TargetPrefix = "" } = input;
      const { NextToken, Limit = pageMax, ...filters } = input;
      const listing = { operation: "pipes:ListPipes", filters, call };
      const [after = ""] = pageKey(listing, NextToken, () => invalid("Invalid NextToken.")) ?? [];
      const named = NamePrefix === "" ? sql`` : sql` and ${beginsWith("name", NamePrefix)}`;
      const desired = DesiredState === undefined ? sql`` : sql` and desired_state = ${DesiredState}`;
      const current = CurrentState === undefined ? sql`` : sql` and current_state = ${CurrentState}`;
      // An account has a thousand at most: what is in their settings is looked at here.
      const rows = await store.read((tx) =>
        tx.all<PipeRow>(sql`select ${pipes.columns} from ${pipes.name}
          where ${isIn(call)} and name > ${String(after)}${named}${desired}${current} order by name limit ${pipesMax}`),
      );
      const found = rows.filter(
        ({ settings }) => settings.Source.startsWith(SourcePrefix) && settings.Target.startsWith(TargetPrefix),
      );
      const { page, nextToken } = pageOf(listing, found, Limit, ({ name }) => [name]);
      const Pipes = page.map((row) => {
        const { Source, Target, Enrichment } = row.settings;
        return { ...answer(row), Source, Target, Enrichment, StateReason: row.state_reason ?? undefined };
      });
      return { Pipes, ...(nextToken === undefined ? {} : { NextToken: nextToken }) };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-pipes")>;
}
