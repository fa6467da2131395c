/** ListExports and ListImports. */
import type { Handlers } from "../../kit/handlers.ts";
import type { Deps } from "../../kit/service.ts";
import { pageKey, pageOf } from "../../kit/tokens.ts";
import { sql } from "../../store/sql.ts";
import { invalid } from "./faults.ts";
import { pageSize } from "./limits.ts";
import { stackExports, stackImports, type ExportRow } from "./tables.ts";

type Client = typeof import("@aws-sdk/client-cloudformation");

export function exportOperations({ store }: Deps) {
  return {
    ListExports({ NextToken: token }, call) {
      return store.read(async (tx) => {
        const listing = { operation: "ListExports", call };
        const [last = ""] = pageKey(listing, token, () => invalid("Invalid NextToken")) ?? [];
        const rows = await tx.all<ExportRow>(sql`select ${stackExports.columns} from ${stackExports.name}
          where account = ${call.account} and region = ${call.region} and name > ${last}
          order by name limit ${pageSize + 1}`);
        const { page, nextToken } = pageOf(listing, rows, pageSize, (row) => [row.name]);
        const exported = page.map(({ stack_id: ExportingStackId, name: Name, value: Value }) => ({
          ExportingStackId,
          Name,
          Value,
        }));
        return { Exports: exported, NextToken: nextToken };
      });
    },

    ListImports({ ExportName: name, NextToken: token }, call) {
      return store.read(async (tx) => {
        const listing = { operation: "ListImports", filters: name, call };
        const [last = ""] = pageKey(listing, token, () => invalid("Invalid NextToken")) ?? [];
        const rows = await tx.all<{
          stack: string;
          stack_name: string;
        }>(sql`select stack, stack_name from ${stackImports.name}
          where account = ${call.account} and region = ${call.region} and name = ${name} and stack > ${last}
          order by stack limit ${pageSize + 1}`);
        if (rows.length === 0 && last === "") throw invalid(`Export '${name}' is not imported by any stack.`);
        const { page, nextToken } = pageOf(listing, rows, pageSize, (row) => [row.stack]);
        return { Imports: page.map((row) => row.stack_name), NextToken: nextToken };
      });
    },
  } satisfies Handlers<Client>;
}
