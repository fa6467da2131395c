/** AddPermission and RemovePermission: statements of the topic's policy that have a label. */
import type { PolicyDocument, PolicyStatement } from "../../kit/authorize.ts";
import type { Handlers } from "../../kit/handlers.ts";
import type { SnsDeps } from "./deps.ts";
import { invalid } from "./faults.ts";
import { labelLengthMax } from "./limits.ts";
import { attributeChange } from "./topics.ts";

/** Source: developer guide, "Amazon SNS API permissions: Actions and resources reference". */
const actions: ReadonlySet<string> = new Set([
  "AddPermission",
  "DeleteTopic",
  "GetDataProtectionPolicy",
  "GetTopicAttributes",
  "ListSubscriptionsByTopic",
  "ListTagsForResource",
  "Publish",
  "PutDataProtectionPolicy",
  "Receive",
  "RemovePermission",
  "SetTopicAttributes",
  "Subscribe",
]);

function statementOf(Sid: string, accounts: readonly string[], names: readonly string[], arn: string): PolicyStatement {
  if (!/^[A-Za-z0-9_-]+$/.test(Sid) || Sid.length > labelLengthMax) throw invalid("Label");
  const unknown = names.find((name) => !actions.has(name));
  if (unknown !== undefined || names.length === 0) {
    throw invalid("Policy statement action out of service scope!");
  }
  if (accounts.length === 0 || accounts.some((account) => !/^\d{12}$/.test(account))) throw invalid("AWSAccountId");
  const principals = accounts.map((account) => `arn:aws:iam::${account}:root`);
  return {
    Sid,
    Effect: "Allow",
    Principal: { AWS: principals.length === 1 ? (principals[0] ?? "") : principals },
    Action: names.length === 1 ? `SNS:${names[0]}` : names.map((name) => `SNS:${name}`),
    Resource: arn,
  };
}

export function permissionOperations(deps: SnsDeps) {
  const change = attributeChange(deps);
  const withStatements = (policy: PolicyDocument, Statement: readonly PolicyStatement[]) => ({
    Policy: Statement.length === 0 ? "" : JSON.stringify({ ...policy, Statement }),
  });
  return {
    async AddPermission({ TopicArn, Label, AWSAccountId, ActionName }, call) {
      const { row, arn } = await deps.topics.open(TopicArn, "AddPermission", call);
      const statement = statementOf(Label, AWSAccountId, ActionName, arn);
      await change(row, ({ policy }) => {
        if (policy.Statement.some(({ Sid }) => Sid === Label)) throw invalid("Statement already exists");
        return withStatements(policy, [...policy.Statement, statement]);
      });
      return {};
    },

    async RemovePermission({ TopicArn, Label }, call) {
      const { row } = await deps.topics.open(TopicArn, "RemovePermission", call);
      await change(row, ({ policy }) =>
        withStatements(
          policy,
          policy.Statement.filter(({ Sid }) => Sid !== Label),
        ),
      );
      return {};
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-sns")>;
}
