/** A bucket's configurations: put, read, removed. */
import type { Call } from "../../kit/call.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import { upsert } from "../../store/tables.ts";
import { ownBucket } from "./buckets.ts";
import type { SettingName, Settings } from "./settings-of.ts";
import { inBucket, settingOf, settings } from "./tables.ts";

type SettingDeps = Pick<Deps, "store" | "clock">;

export function putSetting<N extends SettingName>(
  { store, clock }: SettingDeps,
  bucketName: string,
  name: N,
  value: Settings[N],
  call: Call,
): Promise<void> {
  const modifiedMs = clock.now();
  return store.tx(async (tx) => {
    const bucket = await ownBucket(tx, bucketName, call);
    const { account, region } = bucket;
    await tx.run(upsert(settings, { account, region, bucket: bucket.name, name, value, modified_ms: modifiedMs }));
  });
}

export function readSetting<N extends SettingName>(
  { store }: SettingDeps,
  bucketName: string,
  name: N,
  call: Call,
): Promise<Settings[N] | undefined> {
  return store.read(async (tx) => settingOf(tx, await ownBucket(tx, bucketName, call), name));
}

export function removeSetting(
  { store }: SettingDeps,
  bucketName: string,
  name: SettingName,
  call: Call,
): Promise<void> {
  return store.tx(async (tx) => {
    const bucket = await ownBucket(tx, bucketName, call);
    await tx.run(sql`delete from ${settings.name} where ${inBucket(bucket)} and name = ${name}`);
  });
}
