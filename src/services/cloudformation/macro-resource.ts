/** `AWS::CloudFormation::Macro`: a name under which the account's templates call a function. */
import type { Call } from "../../kit/call.ts";
import type { Resource, ResourceRequest, ResourceState } from "../../kit/resource.ts";
import type { Deps } from "../../kit/service.ts";
import { sql } from "../../store/sql.ts";
import { upsert } from "../../store/tables.ts";
import { macros, type MacroRow } from "./callback-tables.ts";
import { fault, invalid } from "./faults.ts";
import { isScalar, member, textOf, type JsonObject } from "./json.ts";

/** Source: AWS::CloudFormation::Macro, Name. */
const namePattern = /^[a-zA-Z0-9_-]{1,128}$/;

function text(properties: JsonObject, name: string): string {
  const value = member(properties, name);
  if (!isScalar(value)) throw invalid(`Value of property ${name} must be of type String`);
  return textOf(value);
}

export function macroResource({ store }: Pick<Deps, "store">): Resource {
  /** One of the name with another token is somebody else's. */
  const put = async ({ token, properties }: ResourceRequest, { account, region }: Call): Promise<ResourceState> => {
    const name = text(properties, "Name");
    if (!namePattern.test(name)) throw invalid(`Value of property Name must match ${namePattern.source}`);
    const row = { account, region, name, token, function_name: text(properties, "FunctionName") };
    await store.tx(async (tx) => {
      const known = await tx.one<MacroRow>(sql`select ${macros.columns} from ${macros.name}
        where account = ${account} and region = ${region} and name = ${name}`);
      if (known !== undefined && known.token !== token) {
        throw fault("AlreadyExistsException", `Macro ${name} already exists`);
      }
      await tx.run(upsert(macros, row));
    });
    return { physicalId: name, attributes: {} };
  };

  return {
    type: "AWS::CloudFormation::Macro",
    properties: ["Description", "FunctionName", "LogGroupName", "LogRoleARN", "Name"],
    required: ["FunctionName", "Name"],
    attributes: [],
    name: { property: "Name", lengthMax: 128 },
    create: put,
    update: put,
    async delete({ token, physicalId }, { account, region }) {
      await store.tx((tx) =>
        tx.run(sql`delete from ${macros.name}
          where account = ${account} and region = ${region} and name = ${physicalId} and token = ${token}`),
      );
    },
  };
}
