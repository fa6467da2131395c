/** `/aws/reference/secretsmanager/NAME`: a secret of Secrets Manager, read as a parameter. */
import type { Parameter } from "@aws-sdk/client-ssm";
import { isFault } from "../../base/errors.ts";
import type { Call } from "../../kit/call.ts";
import type { Deps } from "../../kit/service.ts";
import { invalid, noParameter } from "./faults.ts";
import { parameterArn } from "./names.ts";

const prefix = "/aws/reference/secretsmanager/";

export function secretReference({ peers }: Deps) {
  return async (name: string, decrypt: boolean | undefined, call: Call): Promise<Parameter | undefined> => {
    if (!name.startsWith(prefix)) return undefined;
    if (decrypt !== true) {
      throw invalid("WithDecryption flag must be True for retrieving a Secret Manager secret.");
    }
    const { account, region } = call;
    try {
      const secret = await peers.secretsmanager.GetSecretValue({ SecretId: name.slice(prefix.length) }, call);
      const { SecretString, SecretBinary, CreatedDate } = secret;
      return {
        Name: name,
        Type: "SecureString",
        Value: SecretString ?? Buffer.from(SecretBinary ?? new Uint8Array()).toString("base64"),
        Version: 0,
        SourceResult: JSON.stringify({ ...secret, SecretBinary: undefined, SecretString }),
        ...(CreatedDate === undefined ? {} : { LastModifiedDate: CreatedDate }),
        ARN: parameterArn({ account, region, name }),
        DataType: "text",
      };
    } catch (error) {
      if (!isFault(error, "ResourceNotFoundException")) throw error;
      throw noParameter(name);
    }
  };
}
