/** The keys as operations use them: found by any of their names, made, checked, and opened. */
import type { KeyObject } from "node:crypto";
import { must } from "../../base/errors.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import type { ReadTx, Tx } from "../../store/store.ts";
import { insert } from "../../store/tables.ts";
import { fault, invalid, notFound, notYet } from "./faults.ts";
import { dayMs, rotationDaysDefault } from "./limits.ts";
import { createMaterials, freshMaterial, type Fresh, type Materials } from "./material.ts";
import { aliasArn, keyArn, keyRef, ownKey } from "./names.ts";
import { defaultPolicy, managedPolicy } from "./policy.ts";
import { algorithmsOf, specOf, type Spec, type Usage } from "./specs.ts";
import {
  aliases,
  findAlias,
  findKey,
  keys,
  materials,
  ofKey,
  type KeyRow,
  type MaterialRow,
  type Place,
  type Tag,
} from "./tables.ts";

export interface NewKey {
  spec: string;
  usage: string;
  description: string;
  policy?: string | undefined;
  enabled?: boolean;
  tags: Tag[];
  token?: string;
  rotationDays?: number | undefined;
}

export interface Usable {
  row: KeyRow;
  spec: Spec;
}

export interface Keyring {
  materials: Materials;
  /** By key id, key ARN, alias or alias ARN; `alias/aws/...` is made when it is first asked for. */
  find(keyId: string, place: Place): Promise<KeyRow>;
  /** The same, for use by `operation`: enabled, and meant for that. */
  usable(keyId: string, place: Place, usage: Usage, operation: string): Promise<Usable>;
  create(key: NewKey, place: Place): Promise<KeyRow>;
  /** The material of a version, opened. */
  open(row: KeyRow, version: number): Promise<KeyObject>;
  material(row: KeyRow, version: number): Promise<MaterialRow | undefined>;
}

export interface KmsDeps extends Deps {
  keyring: Keyring;
}

/** Services that have a key of their own in every account. */
const managedServices: ReadonlySet<string> = new Set(
  (
    "acm backup codeartifact codecommit dms dynamodb ebs elasticfilesystem es fsx glue kinesis kinesisvideo " +
    "lambda lex lightsail rds redshift s3 secretsmanager sns sqs ssm xray"
  ).split(" "),
);

/** A key by id in a transaction, or the fault that says there is none. */
export async function ownedKey(tx: ReadTx, keyId: string, place: Place): Promise<KeyRow> {
  const id = ownKey(keyId, place);
  const row = await findKey(tx, place, id);
  if (row === undefined) throw noKey(place, id);
  return row;
}

const noKey = (place: Place, id: string) => notFound(`Key '${keyArn({ ...place, id })}' does not exist`);

export function checkNotPending(row: KeyRow): void {
  if (row.deletion_ms !== null) throw fault("KMSInvalidStateException", `${keyArn(row)} is pending deletion.`);
}

export function checkCustomer(row: KeyRow, operation: string): void {
  if (row.manager === "CUSTOMER") return;
  throw fault("AccessDeniedException", `${keyArn(row)} is an AWS managed key, which ${operation} cannot change.`);
}

export function checkEnabled(row: KeyRow): void {
  checkNotPending(row);
  if (!row.enabled) throw fault("DisabledException", `${keyArn(row)} is disabled.`);
}

export function checkAlgorithm({ row, spec }: Usable, algorithm: string): void {
  if (algorithmsOf(spec, row.usage).includes(algorithm)) return;
  throw fault("InvalidKeyUsageException", `Algorithm ${algorithm} is incompatible with key spec ${row.spec}.`);
}

export const specNamed = (name: string): Spec => {
  const spec = specOf(name);
  if (spec === undefined) throw notYet(`the key spec ${name}`);
  return spec;
};

export function createKeyring({ store, clock, ids, secrets }: Deps): Keyring {
  const opener = createMaterials(secrets);

  const insertKey = async (tx: Tx, row: KeyRow, material: MaterialRow) => {
    await tx.run(insert(keys, row));
    await tx.run(insert(materials, material));
  };

  const newRows = (key: NewKey, manager: string, place: Place, fresh: Fresh) => {
    const now = clock.now();
    const { account, region } = place;
    const row: KeyRow = {
      account,
      region,
      id: ids.uuid(),
      description: key.description,
      spec: key.spec,
      usage: key.usage,
      manager,
      enabled: key.enabled ?? true,
      created_ms: now,
      deletion_ms: null,
      deletion_days: null,
      policy: key.policy ?? defaultPolicy(account),
      tags: key.tags,
      version: 1,
      rotation_days: key.rotationDays ?? null,
      rotation_next_ms: key.rotationDays === undefined ? null : now + key.rotationDays * dayMs,
      token: key.token ?? null,
    };
    const of = { account, region, key_id: row.id, version: 1, created_ms: now, origin: "CREATED" };
    return { row, material: opener.row(of, fresh) };
  };

  const createManaged = async (name: string, place: Place): Promise<KeyRow> => {
    const service = name.slice("alias/aws/".length);
    const spec = "SYMMETRIC_DEFAULT";
    const made: NewKey = {
      spec,
      usage: "ENCRYPT_DECRYPT",
      description: `Default key that protects my ${service} data when no other key is defined`,
      policy: managedPolicy(place.account, place.region, service),
      tags: [],
      rotationDays: rotationDaysDefault,
    };
    const { row, material } = newRows(made, "AWS", place, await freshMaterial(specNamed(spec)));
    const { account, region, id: key_id, created_ms } = row;
    return store.tx(async (tx) => {
      const present = await findAlias(tx, place, name);
      if (present !== undefined) return must(await findKey(tx, place, present.key_id), "the key of an alias");
      await insertKey(tx, row, material);
      await tx.run(insert(aliases, { account, region, name, key_id, created_ms, updated_ms: created_ms }));
      return row;
    });
  };

  const find: Keyring["find"] = async (keyId, place) => {
    const ref = keyRef(keyId, place);
    const row = await store.read(async (tx) => {
      if (ref.kind === "key") return findKey(tx, place, ref.id);
      const alias = await findAlias(tx, place, ref.name);
      return alias === undefined ? undefined : findKey(tx, place, alias.key_id);
    });
    if (row !== undefined) return row;
    if (ref.kind === "key") throw noKey(place, ref.id);
    const isManaged = ref.name.startsWith("alias/aws/") && managedServices.has(ref.name.slice("alias/aws/".length));
    if (isManaged) return createManaged(ref.name, place);
    throw notFound(`Alias ${aliasArn({ ...place, name: ref.name })} is not found.`);
  };

  const material: Keyring["material"] = (row, version) =>
    store.read((tx) =>
      tx.one<MaterialRow>(sql`select ${materials.columns} from ${materials.name}
        where ${ofKey(row)} and version = ${version}`),
    );

  return {
    materials: opener,
    find,
    material,
    async usable(keyId, place, usage, operation) {
      const row = await find(keyId, place);
      checkEnabled(row);
      if (row.usage !== usage) {
        throw fault(
          "InvalidKeyUsageException",
          `${keyArn(row)} key usage is ${row.usage} which is not valid for ${operation}.`,
        );
      }
      return { row, spec: specNamed(row.spec) };
    },
    async create(key, place) {
      const spec = specNamed(key.spec);
      if (!spec.usages.some((usage) => usage === key.usage)) {
        throw invalid(`KeyUsage ${key.usage} is not compatible with KeySpec ${key.spec}`);
      }
      const token = key.token;
      const made = (tx: ReadTx) =>
        token === undefined
          ? undefined
          : tx.one<KeyRow>(sql`select ${keys.columns} from ${keys.name}
              where account = ${place.account} and region = ${place.region} and token = ${token}`);
      const before = await store.read(async (tx) => made(tx));
      if (before !== undefined) return before;
      const { row, material } = newRows(key, "CUSTOMER", place, await freshMaterial(spec));
      return store.tx(async (tx) => {
        const present = await made(tx);
        if (present !== undefined) return present;
        await insertKey(tx, row, material);
        return row;
      });
    },
    async open(row, version) {
      const kept = opener.kept({ account: row.account, region: row.region, key_id: row.id, version });
      return kept ?? opener.open(must(await material(row, version), "a version of key material"));
    },
  };
}
