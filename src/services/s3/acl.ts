/** The operations on ACLs. */
import type { Call } from "../../kit/call.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import { ownBucket } from "./buckets.ts";
import { fault } from "./faults.ts";
import { allowsAcls, grantsOf, noAcls, ownersAlone, type AskedAcl, type Grant } from "./grants.ts";
import { ownerId } from "./owners.ts";
import type { Settings } from "./settings-of.ts";
import { putSetting } from "./settings.ts";
import { ofKey, settingOf, versions } from "./tables.ts";
import { readableVersion, versionIdIn } from "./versions.ts";

/** Where ACLs are off, setting one is refused, but for the one that says what is so anyway. */
function settable(asked: AskedAcl, ownership: Settings["ownershipControls"] | undefined, owner: string): Grant[] {
  const grants = grantsOf(asked, owner);
  if (grants === undefined) {
    throw fault("InvalidRequest", "Your request was missing a required header", {
      MissingHeaderName: "x-amz-acl",
    });
  }
  const alone = JSON.stringify(grants) === JSON.stringify(ownersAlone(owner)) && asked.ACL !== "private";
  if (!alone && !allowsAcls(ownership)) throw noAcls();
  return grants;
}

function told(grants: readonly Grant[], account: string) {
  const owner = ownerId(account);
  return {
    Owner: { ID: owner, DisplayName: account },
    Grants: grants.map(({ permission: Permission, grantee }) => ({
      Permission,
      Grantee:
        "uri" in grantee
          ? { Type: "Group" as const, URI: grantee.uri }
          : {
              Type: "CanonicalUser" as const,
              ID: grantee.id,
              ...(grantee.id === owner ? { DisplayName: account } : {}),
            },
    })),
  };
}

export function aclOperations(deps: Deps) {
  const { store } = deps;
  const ownershipOf = (name: string, call: Call) =>
    store.read(async (tx) => settingOf(tx, await ownBucket(tx, name, call), "ownershipControls"));

  return {
    async PutBucketAcl(input, call) {
      const grants = settable(input, await ownershipOf(input.Bucket, call), ownerId(call.account));
      await putSetting(deps, input.Bucket, "acl", grants, call);
      return {};
    },
    GetBucketAcl: (input, call) =>
      store.read(async (tx) => {
        const bucket = await ownBucket(tx, input.Bucket, call);
        const allowed = allowsAcls(await settingOf(tx, bucket, "ownershipControls"));
        const grants = allowed ? await settingOf(tx, bucket, "acl") : undefined;
        return told(grants ?? ownersAlone(ownerId(call.account)), call.account);
      }),

    PutObjectAcl: (input, call) =>
      store.tx(async (tx) => {
        const bucket = await ownBucket(tx, input.Bucket, call);
        const version = await readableVersion(tx, bucket, input);
        const grants = settable(input, await settingOf(tx, bucket, "ownershipControls"), ownerId(call.account));
        await tx.run(sql`update ${versions.name} set ${assign(versions, { acl: JSON.stringify(grants) })}
          where ${ofKey(bucket, version.key)} and rank = ${version.rank}`);
        return {};
      }),
    GetObjectAcl: (input, call) =>
      store.read(async (tx) => {
        const bucket = await ownBucket(tx, input.Bucket, call);
        const version = await readableVersion(tx, bucket, input);
        const allowed = allowsAcls(await settingOf(tx, bucket, "ownershipControls"));
        // It was written by this module, from grants.
        const grants = allowed && version.acl !== null ? (JSON.parse(version.acl) as Grant[]) : undefined;
        return {
          ...told(grants ?? ownersAlone(ownerId(call.account)), call.account),
          ...(await versionIdIn(tx, bucket, version)),
        };
      }),
  } satisfies Handlers<typeof import("@aws-sdk/client-s3")>;
}
