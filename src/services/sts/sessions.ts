/** Temporary credentials: of a role that was assumed, and of a user. */
import { parseArn } from "../../base/arn.ts";
import { isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import { faults } from "../../kit/faults.ts";
import type { Handlers, InputOf, Received } from "../../kit/handlers.ts";
import { principalArn, roleName, type Caller } from "../../kit/principals.ts";
import { noMasterKey } from "../../kit/secrets.ts";
import type { Deps } from "../../kit/service.ts";
import { createSessions, type Sessions } from "../../kit/sessions.ts";
import { arnOf, userIdOf } from "./identity.ts";
import { refusedAction } from "./trust.ts";

const fault = faults<typeof import("@aws-sdk/client-sts")>();
type AssumeRoleInput = Received<InputOf<typeof import("@aws-sdk/client-sts"), "AssumeRole">>;

/** Source: STS API reference, "AssumeRole" and "GetSessionToken". */
const roleSecondsDefault = 3_600;
const chainedSecondsMax = 3_600;
const userSecondsDefault = 43_200;
const rootSecondsMax = 3_600;
const policyArnsMax = 10;
/** Session policies and tags are packed into at most this many bytes; Mikan counts them as they come. */
const packedBytesMax = 4_096;
const policyCharactersMax = 2_048;

/** The sessions of this node and of all that share its master key; undefined where there is none. */
export function durableSessions({ secrets }: Pick<Deps, "secrets">): Sessions | undefined {
  const secret = secrets.derive("sts:sessions");
  return secret === undefined ? undefined : createSessions(secret);
}

function refuse(name: string, value: unknown): void {
  if (value === undefined) return;
  throw fault("ValidationError", `Mikan does not implement ${name} yet, and will not pretend to.`);
}

const wrongText = (operation: string, call: Call, roleArn: string) =>
  `User: ${arnOf(call)} is not authorized to perform: ${operation} on resource: ${roleArn}`;

/** Share of the space for session policies and tags that a request takes, in percent. */
function packedPercent({ Policy, PolicyArns = [], Tags = [] }: AssumeRoleInput): number {
  if ((Policy?.length ?? 0) > policyCharactersMax) {
    throw fault(
      "ValidationError",
      `1 validation error detected: Value at 'policy' failed to satisfy constraint: Member must have length less than or equal to ${policyCharactersMax}`,
    );
  }
  const parts = [Policy ?? "", ...PolicyArns.map(({ arn = "" }) => arn), ...Tags.map(({ Key, Value }) => Key + Value)];
  const bytes = parts.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
  const percent = Math.ceil((bytes / packedBytesMax) * 100);
  if (percent > 100) {
    throw fault(
      "PackedPolicyTooLargeException",
      `Serialized token too large for session: packed policy consumes ${percent}% of allotted space`,
    );
  }
  return percent;
}

function checkSession(input: AssumeRoleInput): void {
  refuse("SerialNumber (MFA)", input.SerialNumber);
  refuse("TokenCode (MFA)", input.TokenCode);
  refuse("ProvidedContexts", input.ProvidedContexts);
  if ((input.PolicyArns?.length ?? 0) > policyArnsMax) {
    throw fault("ValidationError", `The number of policy ARNs must not exceed ${policyArnsMax}.`);
  }
  const keys = (input.Tags ?? []).map(({ Key }) => Key.toLowerCase());
  if (new Set(keys).size !== keys.length) {
    throw fault("ValidationError", "Duplicate tag keys found. Please note that Tag keys are case insensitive.");
  }
  if (input.Policy === undefined) return;
  try {
    JSON.parse(input.Policy);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw fault("MalformedPolicyDocumentException", "This policy contains invalid Json", {}, { cause });
  }
}

export function sessionOperations({ clock, ids, peers, secrets }: Deps) {
  const sessions = durableSessions({ secrets });

  const credentialsOf = (principal: Caller, seconds: number) => {
    if (sessions === undefined) throw fault("ValidationError", noMasterKey);
    const expiresMs = clock.now() + seconds * 1000;
    const { accessKeyId, secretAccessKey, sessionToken } = sessions.issue(principal, { expiresMs, nonce: ids.hex(8) });
    return {
      AccessKeyId: accessKeyId,
      SecretAccessKey: secretAccessKey,
      SessionToken: sessionToken,
      Expiration: new Date(expiresMs),
    };
  };

  /** The role, if there is one by this very ARN; whoever may not assume a role does not learn whether it exists. */
  const roleOf = async (arn: string, call: Call) => {
    const parsed = parseArn(arn);
    if (parsed?.service !== "iam" || !parsed.resource.startsWith("role/")) {
      throw fault("ValidationError", `${arn} is invalid`);
    }
    try {
      const RoleName = roleName({ roleArn: arn });
      const { Role } = await peers.iam.GetRole({ RoleName }, { ...call, account: parsed.account });
      return Role?.Arn === arn ? { ...Role, account: parsed.account } : undefined;
    } catch (error) {
      if (!isFault(error, "NoSuchEntityException")) throw error;
      return undefined;
    }
  };

  return {
    async AssumeRole(input, call) {
      const { RoleArn: arn, RoleSessionName: session, DurationSeconds: seconds = roleSecondsDefault } = input;
      checkSession(input);
      const percent = packedPercent(input);
      const role = await roleOf(arn, call);
      if (role === undefined) throw fault("AccessDenied", wrongText("sts:AssumeRole", call, arn));
      const trust = decodeURIComponent(role.AssumeRolePolicyDocument ?? "");
      const refused = refusedAction(arn, trust, input, { call, now: clock.now() });
      if (refused !== undefined) throw fault("AccessDenied", wrongText(refused, call, arn));
      if (call.principal.kind === "role" && seconds > chainedSecondsMax) {
        throw fault(
          "ValidationError",
          "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        );
      }
      if (seconds > (role.MaxSessionDuration ?? roleSecondsDefault)) {
        throw fault(
          "ValidationError",
          "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        );
      }
      const roleId = role.RoleId === undefined ? {} : { roleId: role.RoleId };
      const principal: Caller = { kind: "role", account: role.account, roleArn: arn, session, ...roleId };
      return {
        Credentials: credentialsOf(principal, seconds),
        AssumedRoleUser: { AssumedRoleId: userIdOf(principal), Arn: principalArn(principal) },
        ...(percent === 0 ? {} : { PackedPolicySize: percent }),
        ...(input.SourceIdentity === undefined ? {} : { SourceIdentity: input.SourceIdentity }),
      };
    },

    async GetSessionToken(input, call) {
      refuse("SerialNumber (MFA)", input.SerialNumber);
      refuse("TokenCode (MFA)", input.TokenCode);
      const { principal } = call;
      if (principal.kind !== "user" || principal.accessKeyId.startsWith("ASIA")) {
        throw fault("AccessDenied", "Cannot call GetSessionToken with session credentials");
      }
      const isRoot = principal.arn === undefined;
      const seconds = input.DurationSeconds ?? userSecondsDefault;
      return { Credentials: credentialsOf(principal, isRoot ? Math.min(seconds, rootSecondsMax) : seconds) };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-sts")>;
}
