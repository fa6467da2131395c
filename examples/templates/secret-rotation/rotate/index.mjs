/** The four steps of a rotation. There is no database here to tell: `setSecret` and `testSecret` have nothing to do. */
import { randomBytes } from "node:crypto";
import { secretsManager } from "./secrets-manager.mjs";

async function createSecret(SecretId, ClientRequestToken) {
  const { SecretString } = await secretsManager("GetSecretValue", { SecretId });
  const next = { ...JSON.parse(SecretString), password: `rotated-${randomBytes(12).toString("hex")}` };
  await secretsManager("PutSecretValue", {
    SecretId,
    ClientRequestToken,
    SecretString: JSON.stringify(next),
    VersionStages: ["AWSPENDING"],
  });
}

async function finishSecret(SecretId, MoveToVersionId) {
  const { VersionIdsToStages } = await secretsManager("DescribeSecret", { SecretId });
  const [current] = Object.entries(VersionIdsToStages).find(([, stages]) => stages.includes("AWSCURRENT"));
  if (current === MoveToVersionId) return;
  const VersionStage = "AWSCURRENT";
  await secretsManager("UpdateSecretVersionStage", {
    SecretId,
    VersionStage,
    MoveToVersionId,
    RemoveFromVersionId: current,
  });
}

export async function handler({ Step, SecretId, ClientRequestToken }) {
  const { VersionIdsToStages } = await secretsManager("DescribeSecret", { SecretId });
  // A step may come a second time.
  const isMade = VersionIdsToStages[ClientRequestToken]?.includes("AWSCURRENT");
  if (Step === "createSecret" && !isMade) await createSecret(SecretId, ClientRequestToken);
  if (Step === "finishSecret") await finishSecret(SecretId, ClientRequestToken);
}
