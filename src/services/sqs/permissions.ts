/** AddPermission and RemovePermission: statements of the queue's policy that have a label. */
import type { Handlers } from "../../kit/handlers.ts";
import type { PolicyDocument, PolicyStatement } from "../../kit/authorize.ts";
import type { SqsDeps } from "./deps.ts";
import { fault, invalidValue } from "./faults.ts";
import { labelLengthMax, permissionActionsMax, policyStatementsMax } from "./limits.ts";
import { queueArn } from "./names.ts";
import { attributeChange } from "./queue-attributes.ts";
import type { QueueRow } from "./tables.ts";

/** Source: API reference, AddPermission. */
const actions: ReadonlySet<string> = new Set([
  "*",
  "ChangeMessageVisibility",
  "DeleteMessage",
  "GetQueueAttributes",
  "GetQueueUrl",
  "ListDeadLetterSourceQueues",
  "PurgeQueue",
  "ReceiveMessage",
  "SendMessage",
]);

function checkLabel(label: string): void {
  if (/^[A-Za-z0-9_-]+$/.test(label) && label.length <= labelLengthMax) return;
  throw invalidValue(
    label,
    "Label",
    `Can only include alphanumeric characters, hyphens, or underscores. 1 to ${labelLengthMax} in length`,
  );
}

function checkActions(names: readonly string[]): void {
  const unknown = names.find((name) => !actions.has(name));
  if (unknown !== undefined) {
    const reason = "Please refer to the appropriate WSDL for a list of valid actions. ";
    throw invalidValue(`SQS:${unknown}`, "ActionName", reason);
  }
  if (names.length > permissionActionsMax) {
    throw fault("OverLimit", `${names.length} Actions were found, maximum allowed is ${permissionActionsMax}.`);
  }
}

const policyBefore = (row: QueueRow): PolicyDocument =>
  row.policy ?? { Version: "2012-10-17", Id: `${queueArn(row)}/SQSDefaultPolicy`, Statement: [] };

export function permissionOperations(deps: SqsDeps) {
  const change = attributeChange(deps);
  const withStatements = (row: QueueRow, Statement: readonly PolicyStatement[]) => ({
    Policy: Statement.length === 0 ? "" : JSON.stringify({ ...policyBefore(row), Statement }),
  });
  return {
    async AddPermission({ QueueUrl, Label, AWSAccountIds, Actions }, call) {
      const { row } = await deps.queues.open(QueueUrl, "AddPermission", call);
      checkLabel(Label);
      checkActions(Actions);
      const unknown = AWSAccountIds.find((account) => !/^\d{12}$/.test(account));
      if (unknown !== undefined) throw invalidValue(unknown, "PrincipalId", "Unable to verify.");
      await change(row, (now) => {
        const { Statement } = policyBefore(now);
        if (Statement.some(({ Sid }) => Sid === Label)) throw invalidValue(Label, "Label", "Already exists.");
        if (Statement.length >= policyStatementsMax) {
          throw fault(
            "OverLimit",
            `${Statement.length + 1} statements were found, maximum allowed is ${policyStatementsMax}.`,
          );
        }
        const names = AWSAccountIds.map((account) => `arn:aws:iam::${account}:root`);
        return withStatements(now, [
          ...Statement,
          {
            Sid: Label,
            Effect: "Allow",
            Principal: { AWS: names.length === 1 ? (names[0] ?? "") : names },
            Action: Actions.length === 1 ? `SQS:${Actions[0]}` : Actions.map((action) => `SQS:${action}`),
            Resource: queueArn(now),
          },
        ]);
      });
      return {};
    },

    async RemovePermission({ QueueUrl, Label }, call) {
      const { row } = await deps.queues.open(QueueUrl, "RemovePermission", call);
      await change(row, (now) => {
        const { Statement } = policyBefore(now);
        const left = Statement.filter(({ Sid }) => Sid !== Label);
        if (left.length === Statement.length)
          throw invalidValue(Label, "Label", "can't find label on existing policy.");
        return withStatements(now, left);
      });
      return {};
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-sqs")>;
}
