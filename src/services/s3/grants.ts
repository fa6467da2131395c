/** Access control lists: who is granted what on a bucket or an object. Recorded; the owner alone has access. Source: S3 user guide, "Access control list (ACL) overview". */
import { ownerId } from "./owners.ts";
import { fault } from "./faults.ts";
import type { Settings } from "./settings-of.ts";

/** Source: S3 user guide, "Access control list (ACL) overview": 100 grants. */
const grantsMax = 100;

const permissions = ["FULL_CONTROL", "READ", "READ_ACP", "WRITE", "WRITE_ACP"] as const;
type Permission = (typeof permissions)[number];

export interface Grant {
  permission: Permission;
  /** A canonical user id, or the URI of a group. */
  grantee: { id: string } | { uri: string };
}

const groups = "http://acs.amazonaws.com/groups";
const everybody = `${groups}/global/AllUsers`;
const authenticated = `${groups}/global/AuthenticatedUsers`;
const logDelivery = `${groups}/s3/LogDelivery`;
const knownGroups = new Set([everybody, authenticated, logDelivery]);

/** What a canned ACL grants besides the owner's full control. */
const canned: Readonly<Record<string, readonly (readonly [uri: string, permission: Permission])[]>> = {
  private: [],
  "bucket-owner-full-control": [],
  "bucket-owner-read": [],
  "aws-exec-read": [],
  "public-read": [[everybody, "READ"]],
  "public-read-write": [
    [everybody, "READ"],
    [everybody, "WRITE"],
  ],
  "authenticated-read": [[authenticated, "READ"]],
};

/** What a request says of an ACL, by one of three ways. */
export interface AskedAcl {
  ACL?: string | undefined;
  GrantFullControl?: string | undefined;
  GrantRead?: string | undefined;
  GrantReadACP?: string | undefined;
  GrantWrite?: string | undefined;
  GrantWriteACP?: string | undefined;
  AccessControlPolicy?: AskedPolicy | undefined;
}

interface AskedPolicy {
  Owner?: { ID?: string | undefined } | undefined;
  Grants?:
    | readonly {
        Permission?: string | undefined;
        Grantee?:
          | {
              Type?: string | undefined;
              ID?: string | undefined;
              URI?: string | undefined;
              EmailAddress?: string | undefined;
            }
          | undefined;
      }[]
    | undefined;
}

const grantFields = {
  GrantFullControl: "FULL_CONTROL",
  GrantRead: "READ",
  GrantReadACP: "READ_ACP",
  GrantWrite: "WRITE",
  GrantWriteACP: "WRITE_ACP",
} as const satisfies { [N in keyof AskedAcl]?: Permission };

/** Buckets have been without ACLs since 2023, unless their ownership controls bring them back or are taken away. */
export function allowsAcls(ownership: Settings["ownershipControls"] | undefined): boolean {
  return ownership !== undefined && ownership.Rules[0]?.ObjectOwnership !== "BucketOwnerEnforced";
}

export const ownersAlone = (owner: string): Grant[] => [{ permission: "FULL_CONTROL", grantee: { id: owner } }];

/** The grants that a request asks for; undefined when it says nothing of any. */
export function grantsOf(asked: AskedAcl, owner: string): Grant[] | undefined {
  const fields = Object.entries(grantFields).flatMap(([name, permission]) => {
    const text = asked[name as keyof typeof grantFields];
    return text === undefined ? [] : [{ permission, text }];
  });
  const ways = [asked.ACL, fields[0], asked.AccessControlPolicy].filter((way) => way !== undefined);
  if (ways.length === 0) return undefined;
  if (ways.length > 1) {
    throw fault("InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed");
  }
  if (asked.ACL !== undefined) return cannedGrants(asked.ACL, owner);
  const grants =
    asked.AccessControlPolicy === undefined
      ? fields.flatMap(({ permission, text }) => headerGrants(permission, text))
      : policyGrants(asked.AccessControlPolicy, owner);
  if (grants.length <= grantsMax) return grants;
  throw fault("InvalidRequest", `The ACL has more than ${grantsMax} grants.`);
}

function cannedGrants(name: string, owner: string): Grant[] {
  const more = canned[name];
  if (more === undefined) throw fault("InvalidArgument", "", { ArgumentName: "x-amz-acl", ArgumentValue: name });
  return [...ownersAlone(owner), ...more.map(([uri, permission]) => ({ permission, grantee: { uri } }))];
}

/** `id="..."`, `uri="..."`, with commas between. */
function headerGrants(permission: Permission, text: string): Grant[] {
  return text.split(",").map((item) => {
    const [, kind, value = ""] = /^\s*(id|uri|emailAddress)\s*=\s*"?([^"]*)"?\s*$/.exec(item) ?? [];
    return {
      permission,
      grantee: granteeOf(kind === "id" ? { ID: value } : kind === "uri" ? { URI: value } : { EmailAddress: value }),
    };
  });
}

function policyGrants({ Owner, Grants = [] }: AskedPolicy, owner: string): Grant[] {
  if (Owner?.ID !== undefined && Owner.ID !== owner) throw fault("AccessDenied", "Access Denied");
  return Grants.map(({ Permission, Grantee }) => {
    const permission = permissions.find((name) => name === Permission);
    if (permission === undefined || Grantee === undefined) throw malformed();
    return { permission, grantee: granteeOf(Grantee) };
  });
}

const malformed = () =>
  fault(
    "MalformedACLError",
    "The XML you provided was not well-formed or did not validate against our published schema",
  );

function granteeOf({
  ID,
  URI,
  EmailAddress,
}: {
  ID?: string | undefined;
  URI?: string | undefined;
  EmailAddress?: string | undefined;
}) {
  if (URI !== undefined) {
    if (knownGroups.has(URI)) return { uri: URI };
    throw fault("InvalidArgument", "Invalid group uri", { ArgumentName: "uri", ArgumentValue: URI });
  }
  if (ID !== undefined) {
    if (/^[0-9a-f]{64}$/.test(ID)) return { id: ID };
    throw fault("InvalidArgument", "Invalid id", { ArgumentName: "CanonicalUser/ID", ArgumentValue: ID });
  }
  if (EmailAddress === undefined) throw malformed();
  throw fault(
    "UnresolvableGrantByEmailAddress",
    "The e-mail address you provided does not match any account on record.",
  );
}

/** The grants of a new object as its row keeps them; refused as on a bucket without ACLs where there are none. */
export function objectAcl(asked: AskedAcl, ownership: Settings["ownershipControls"] | undefined, account: string) {
  const grants = grantsOf(asked, ownerId(account));
  if (allowsAcls(ownership)) return grants === undefined ? null : JSON.stringify(grants);
  const harmless = asked.ACL === "private" || asked.ACL === "bucket-owner-full-control";
  if (grants !== undefined && !harmless) throw noAcls();
  return null;
}

export const noAcls = () => fault("AccessControlListNotSupported", "The bucket does not allow ACLs");
