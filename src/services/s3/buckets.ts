/** Buckets: made, listed and taken away. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { beginsWith, sql } from "../../store/sql.ts";
import type { ReadTx } from "../../store/store.ts";
import { insert } from "../../store/tables.ts";
import { allowsAcls, grantsOf, type AskedAcl } from "./grants.ts";
import { ownerId } from "./owners.ts";
import { checkBucketName } from "./limits.ts";
import { fault } from "./faults.ts";
import type { Settings } from "./settings-of.ts";
import { buckets, extents, findBucket, inBucket, parts, settings, uploads, versions, type Bucket } from "./tables.ts";

const bucketsPageMax = 10_000;
const legacyRegion = "us-east-1";

/** The caller's own bucket; throws `NoSuchBucket`, or `AccessDenied` for somebody else's. */
export async function ownBucket(tx: ReadTx, name: string, call: Call): Promise<Bucket> {
  const bucket = await findBucket(tx, name);
  if (bucket === undefined) throw fault("NoSuchBucket", "The specified bucket does not exist", { BucketName: name });
  if (bucket.account !== call.account) throw fault("AccessDenied", "Access Denied");
  return bucket;
}

/** What a bucket has from its first moment. */
export type FirstSettings = Pick<Partial<Settings>, "acl" | "objectLock" | "ownershipControls" | "versioning">;

/** Makes a bucket. With the token of an earlier call it gives what that one made. */
export function bucketCreation({ store, clock }: Deps) {
  return async (name: string, call: Call, token: string | null = null, first: FirstSettings = {}): Promise<Bucket> => {
    checkBucketName(name);
    const { account, region } = call;
    const row: Bucket = { account, region, name, created_ms: clock.now(), token };
    return store.tx(async (tx) => {
      const present = await findBucket(tx, name);
      if (present === undefined) {
        await tx.run(insert(buckets, row));
        for (const [setting, value] of Object.entries(first)) {
          const place = { account, region, bucket: name, name: setting };
          await tx.run(insert(settings, { ...place, value, modified_ms: row.created_ms }));
        }
        return row;
      }
      if (token !== null && present.token === token) return present;
      if (present.account !== account) {
        throw fault(
          "BucketAlreadyExists",
          "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.",
        );
      }
      // The oldest region answers a repeated CreateBucket with success. Source: CreateBucket, "BucketAlreadyOwnedByYou".
      if (token === null && region === legacyRegion && present.region === legacyRegion) return present;
      throw fault(
        "BucketAlreadyOwnedByYou",
        "Your previous request to create the named bucket succeeded and you already own it.",
      );
    });
  };
}

export function bucketOperations(deps: Deps) {
  const { store } = deps;
  const create = bucketCreation(deps);
  const read = (name: string, call: Call) => store.read((tx) => ownBucket(tx, name, call));
  return {
    async CreateBucket(input, call) {
      const constraint = input.CreateBucketConfiguration?.LocationConstraint;
      if (constraint !== undefined && constraint !== call.region) {
        const message = `The ${constraint} location constraint is incompatible for the region specific endpoint this request was sent to.`;
        throw fault("IllegalLocationConstraintException", message);
      }
      const { name } = await create(input.Bucket, call, null, firstSettings(input, call.account));
      return { Location: `/${name}` };
    },

    async HeadBucket(input, call) {
      const { region } = await read(input.Bucket, call);
      return { BucketRegion: region, AccessPointAlias: false };
    },

    async GetBucketLocation(input, call) {
      const { region } = await read(input.Bucket, call);
      // The oldest region is written as an empty element.
      return region === legacyRegion ? {} : { LocationConstraint: region as "EU" };
    },

    async ListBuckets(input, call) {
      const listing = { operation: "ListBuckets", filters: input.Prefix, call };
      const refusal = () => fault("InvalidArgument", "The continuation token provided is incorrect");
      const after = String(pageKey(listing, input.ContinuationToken, refusal)?.[0] ?? "");
      const limit = input.MaxBuckets ?? bucketsPageMax;
      const prefix = input.Prefix ?? "";
      const rows = await store.read((tx) =>
        tx.all<Bucket>(sql`select ${buckets.columns} from ${buckets.name} where account = ${call.account}
          and name > ${after} and ${beginsWith("name", prefix)} order by name limit ${limit + 1}`),
      );
      const { page, nextToken } = pageOf(listing, rows, limit, (bucket) => [bucket.name]);
      return {
        Buckets: page.map(({ name, created_ms }) => ({ Name: name, CreationDate: new Date(created_ms) })),
        Owner: { ID: ownerId(call.account), DisplayName: call.account },
        ...(input.Prefix === undefined ? {} : { Prefix: prefix }),
        ...(nextToken === undefined ? {} : { ContinuationToken: nextToken }),
      };
    },

    DeleteBucket: (input, call) =>
      store.tx(async (tx) => {
        const bucket = await ownBucket(tx, input.Bucket, call);
        const some = await tx.one(sql`select key from ${versions.name} where ${inBucket(bucket)} limit 1`);
        if (some !== undefined) throw fault("BucketNotEmpty", "The bucket you tried to delete is not empty");
        // Uploads under way do not keep a bucket; with it they are forgotten.
        const { account, region, name } = bucket;
        for (const owned of [extents, parts]) {
          await tx.run(sql`delete from ${owned.name} where account = ${account} and region = ${region}
            and content in (select upload_id from ${uploads.name} where ${inBucket(bucket)})`);
        }
        for (const owned of [uploads, settings]) await tx.run(sql`delete from ${owned.name} where ${inBucket(bucket)}`);
        await tx.run(sql`delete from ${buckets.name} where name = ${name}`);
        return {};
      }),
  } satisfies Handlers<typeof import("@aws-sdk/client-s3")>;
}

interface AskedBucket {
  ObjectOwnership?: "BucketOwnerEnforced" | "BucketOwnerPreferred" | "ObjectWriter" | undefined;
  ObjectLockEnabledForBucket?: boolean | undefined;
}

function firstSettings(input: AskedBucket & AskedAcl, account: string): FirstSettings {
  const { ObjectOwnership } = input;
  const ownershipControls = ObjectOwnership === undefined ? undefined : { Rules: [{ ObjectOwnership }] };
  const acl = grantsOf(input, ownerId(account));
  if (acl !== undefined && acl.length > 1 && !allowsAcls(ownershipControls)) {
    throw fault(
      "InvalidBucketAclWithObjectOwnership",
      "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
    );
  }
  return {
    ...(ownershipControls === undefined ? {} : { ownershipControls }),
    ...(acl === undefined || !allowsAcls(ownershipControls) ? {} : { acl }),
    // Locks are of versions, so they come together. Source: CreateBucket, "ObjectLockEnabledForBucket".
    ...(input.ObjectLockEnabledForBucket === true
      ? { objectLock: { retention: null }, versioning: { Status: "Enabled" as const } }
      : {}),
  };
}
