/**
 * Rotation by a function: four calls that make, set, test and finish a new version. The intent is in the outbox with the
 * change that caused it, so a rotation that was acknowledged goes on after a crash; functions do each step once per token.
 */
import type { Job } from "../../base/scheduler.ts";
import { isFault } from "../../base/errors.ts";
import { serviceCall, type Call } from "../../kit/call.ts";
import type { DeadLetter, DeliveryPolicy } from "../../kit/delivery.ts";
import type { Handlers } from "../../kit/handlers.ts";
import { sql } from "../../store/sql.ts";
import type { Tx } from "../../store/store.ts";
import { insert } from "../../store/tables.ts";
import { badRequest, fault } from "./faults.ts";
import { alive, findSecret, named, setSecret, type SecretDeps } from "./lookup.ts";
import { checkRules, intervalMs } from "./schedule.ts";
import { current, holderOf, moved, pending } from "./stages.ts";
import { findByName, secrets, versions, versionsOf, type SecretRow, type VersionRow } from "./tables.ts";
import { defaultKey } from "./values.ts";
import { makeRoom, writeStages } from "./versions.ts";

const steps = ["createSecret", "setSecret", "testSecret", "finishSecret"] as const;

/** AWS tries the whole rotation again, and says not how often. */
const policy: DeliveryPolicy = {
  retryDelaysMs: [10_000, 60_000, 5 * 60_000, 15 * 60_000, 3600_000],
  maxAgeMs: 24 * 3600_000,
  throttles: ["TooManyRequestsException", "ThrottlingException", "ServiceUnavailable"],
  deadLetter: { service: "secretsmanager", operation: "RotationFailed" },
};

interface Rotation {
  arn: string;
  token: string;
}

const principalOf = ({ arn, account }: Pick<SecretRow, "arn" | "account">) =>
  ({ kind: "service", service: "secretsmanager.amazonaws.com", sourceArn: arn, sourceAccount: account }) as const;

/** Begins a rotation: an empty version with AWSPENDING, and the intent to fill it. */
async function begin(
  tx: Tx,
  deps: SecretDeps,
  row: SecretRow,
  token: string,
  now: number,
  call: Pick<Call, "account" | "region" | "trace">,
) {
  const all = await versionsOf(tx, row);
  if (!all.some(({ id }) => id === token)) {
    const { account, region, uid } = row;
    const kms_key = row.kms_key ?? defaultKey;
    const fresh: VersionRow = {
      account,
      region,
      uid,
      id: token,
      stages: [],
      value: null,
      is_binary: false,
      kms_key,
      created_ms: now,
      accessed_ms: null,
    };
    const kept = [...(await makeRoom(tx, all)), fresh];
    await tx.run(insert(versions, fresh));
    await writeStages(tx, kept, moved(kept, pending, token));
  }
  await setSecret(tx, row, { rotation_token: token });
  await deps.delivery.enqueue(tx, {
    target: { service: "secretsmanager", operation: "RunRotation" },
    input: { arn: row.arn, token } satisfies Rotation,
    policy,
    key: `${row.uid}:${token}`,
    call,
    principal: principalOf(row),
  });
}

/** The version that an earlier rotation left behind: pending, and not current. */
function unfinished(all: readonly VersionRow[]): string | undefined {
  const holder = holderOf(all, pending);
  return holder !== undefined && !holder.stages.includes(current) ? holder.id : undefined;
}

export function rotationOperations(deps: SecretDeps) {
  const { store, clock, ids, peers } = deps;

  /** May Secrets Manager invoke it? Asked as itself, so that the function's own policy answers. */
  const checkFunction = async (row: SecretRow, functionArn: string, call: Call) => {
    const asService = { ...call, principal: principalOf(row) };
    try {
      await peers.lambda.Invoke({ FunctionName: functionArn, InvocationType: "DryRun" }, asService);
    } catch (cause) {
      if (!isFault(cause)) throw cause;
      throw fault(
        "AccessDeniedException",
        `Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com. (${cause.code}: ${cause.message})`,
        {},
        { cause },
      );
    }
  };

  return {
    async RotateSecret(input, call) {
      const { SecretId, RotateImmediately = true } = input;
      const row = await store.read((tx) => alive(tx, SecretId, call));
      const functionArn = input.RotationLambdaARN ?? row.rotation_function;
      if (functionArn === null || functionArn === "") {
        throw badRequest("No Lambda rotation function ARN is associated with this secret.");
      }
      const rules = input.RotationRules === undefined ? row.rotation_rules : checkRules(input.RotationRules);
      await checkFunction(row, functionArn, call);
      const token = input.ClientRequestToken ?? ids.uuid();
      const now = clock.now();
      const interval = rules === null ? undefined : intervalMs(rules);
      const left = await store.tx(async (tx) => {
        const present = await alive(tx, SecretId, call);
        const changes = {
          rotation_enabled: true,
          rotation_function: functionArn,
          rotation_rules: rules,
          next_rotation_ms: interval === undefined ? null : now + interval,
        };
        await setSecret(tx, present, changes);
        const all = await versionsOf(tx, present);
        const old = unfinished(all);
        // The same request again, after it was done.
        if (holderOf(all, current)?.id === token) return undefined;
        if (old !== undefined) {
          if (present.rotation_token === null) await begin(tx, deps, present, old, now, call);
          return old === token ? undefined : old;
        }
        if (RotateImmediately) await begin(tx, deps, present, token, now, call);
        return undefined;
      });
      if (left !== undefined) {
        throw badRequest("A previous rotation isn't complete. That rotation will be reattempted.");
      }
      return { ...named(row), ...(RotateImmediately ? { VersionId: token } : {}) };
    },

    CancelRotateSecret: (input, call) =>
      store.tx(async (tx) => {
        const row = await alive(tx, input.SecretId, call);
        if (row.rotation_function === null) {
          throw badRequest("You tried to cancel rotation on a secret that has no rotation configured.");
        }
        await setSecret(tx, row, { rotation_enabled: false, rotation_token: null, next_rotation_ms: null });
        const held = unfinished(await versionsOf(tx, row));
        return { ...named(row), ...(held === undefined ? {} : { VersionId: held }) };
      }),
  } satisfies Handlers<typeof import("@aws-sdk/client-secrets-manager")>;
}

/** What the outbox calls; no client can. */
export function rotationRuns(deps: SecretDeps) {
  const { store, clock, peers, log, metrics } = deps;

  const underWay = ({ arn, token }: Rotation, call: Call) =>
    store.read(async (tx) => {
      const row = await findSecret(tx, arn, call);
      return row?.arn === arn && row.rotation_token === token && row.deletion_ms === null ? row : undefined;
    });

  const invoke = async (row: SecretRow, step: string, token: string, call: Call) => {
    const Payload = Buffer.from(JSON.stringify({ Step: step, SecretId: row.arn, ClientRequestToken: token }));
    const asService = { ...call, principal: principalOf(row) };
    const FunctionName = row.rotation_function ?? "";
    const { FunctionError } = await peers.lambda.Invoke({ FunctionName, Payload }, asService);
    // What the function said of it is in its own log; it may hold the secret, so it is not repeated here.
    if (FunctionError !== undefined) throw badRequest(`The rotation function failed in ${step}.`);
  };

  return {
    async RunRotation(input: Rotation, call: Call) {
      for (const step of steps) {
        const row = await underWay(input, call);
        // Cancelled, deleted, or done by a delivery that was thought lost.
        if (row === undefined) return {};
        await invoke(row, step, input.token, call);
      }
      const now = clock.now();
      await store.tx(async (tx) => {
        const row = await findSecret(tx, input.arn, call);
        if (row?.rotation_token !== input.token) return;
        if (unfinished(await versionsOf(tx, row)) === input.token) {
          throw badRequest("The rotation function finished, and has not made the pending version current.");
        }
        const interval = row.rotation_rules === null ? undefined : intervalMs(row.rotation_rules);
        const next = row.rotation_enabled === true && interval !== undefined ? now + interval : null;
        await setSecret(tx, row, { rotation_token: null, rotated_ms: now, next_rotation_ms: next });
      });
      return {};
    },

    async RotationFailed({ input, error, attempts }: DeadLetter, call: Call) {
      const { arn, token } = input as Rotation;
      metrics.counter("secret_rotation_failed").add();
      log.warn("a secret could not be rotated", { arn, attempts, code: error.code, reason: error.message });
      await store.tx(async (tx) => {
        const row = await findSecret(tx, arn, call);
        // The label stays, as on AWS: the next rotation takes this one up again.
        if (row?.rotation_token === token) await setSecret(tx, row, { rotation_token: null });
      });
      return {};
    },
  };
}

const everyMs = 60_000;
const roundMax = 100;

/** Begins the rotations that the calendar asks for. */
export function rotationJob(deps: SecretDeps): Job {
  const { store, clock, ids } = deps;
  return {
    name: "secretsmanager:rotation",
    everyMs,
    async run() {
      const now = clock.now();
      const due = await store.read((tx) =>
        tx.all<SecretRow>(sql`select ${secrets.columns} from ${secrets.name} where next_rotation_ms <= ${now}
          and deletion_ms is null order by next_rotation_ms limit ${roundMax}`),
      );
      for (const { name, uid, arn, ...place } of due) {
        const call = serviceCall(deps, place.account, place.region, principalOf({ arn, account: place.account }));
        const token = ids.uuid();
        await store.tx(async (tx) => {
          const row = await findByName(tx, place, name);
          if (row?.uid !== uid || row.next_rotation_ms === null || row.next_rotation_ms > now) return;
          const interval = row.rotation_rules === null ? undefined : intervalMs(row.rotation_rules);
          // Not again before its time, even when this one fails.
          await setSecret(tx, row, { next_rotation_ms: interval === undefined ? null : now + interval });
          if (row.rotation_token !== null) return;
          await begin(tx, deps, row, unfinished(await versionsOf(tx, row)) ?? token, now, call);
        });
      }
      return { more: due.length === roundMax };
    },
  };
}
